"""A stand-in for Terraform's azurerm and azapi providers: their schemas, and no Azure.

schema.json holds what azurerm says of the resources that infra/terraform uses; extract.py made it from a package that
HashiCorp published. Terraform reaches the stub by TF_REATTACH_PROVIDERS, so none is downloaded.
"""
