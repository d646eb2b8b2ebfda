"""The report of a run: records, clients' answers and frames in; one HTML page, summary.json and a dozen lines out."""
