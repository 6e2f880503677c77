"""A stand-in for AWS's API: moto, made as strict and as slow as AWS where it matters to us.

Behind every instance is a real process, behind every listener a real load balancer; see
`tests/aws/README.md` for how it is started, steered and where it is still unlike AWS.
Start reading at `__main__`.
"""
