# Bakes the image: packer build image.pkr.hcl
#
# For machines on AWS this would be an amazon-ebs builder that installs a unit for systemd: see "The image"
# in docs/guides/production-on-aws.md.

source "file" "web" {
  source = "web.tar"
  target = "out/web.tar"
}

build {
  sources = ["source.file.web"]

  post-processor "manifest" {
    output = "packer-manifest.json"
  }
}
