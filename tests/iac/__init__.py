"""Infrastructure as code as its tests see it: both languages read, evaluated for a stage, and laid side by side.

Only what a parser can know: no Terraform, no Bicep compiler and no Azure is asked. What deployments alone know is a
Symbol, which says whose attribute it is.
"""
