"""What each rule of autoscaling loses and costs, by simulation: bursts of video on many sites, replica by replica.

Run: make benchmark-autoscaling, or python -m benchmarks.autoscaling --sites 50 --streams 1000 --out DIR
"""
