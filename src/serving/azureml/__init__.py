"""Scoring scripts for Azure ML's own servers: the same packages, requests and answers as the runtime's, one at a time.

`code` of a deployment is the folder src; `scoring_script` is serving/azureml/online.py or serving/azureml/batch.py.
Its environment variables: VISIONLINE_VERSION, VISIONLINE_DIGEST and VISIONLINE_VARIANT, all of them needed.
"""
