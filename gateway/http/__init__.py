"""The registry over HTTPS: what service centres and schedulers of other organisations use."""
