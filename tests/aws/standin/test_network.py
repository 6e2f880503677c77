"""Networks: few on a machine, and given back."""

import unittest

from fixture import Case, eventually


class Networks(Case):
    """Each has a second octet of its own on loopback."""

    def test_a_network_is_given_back_once_nothing_runs_there(self):
        octet = self.network["octet"]
        image = self.ec2.register_image(Name="idle", Architecture="x86_64", RootDeviceName="/dev/xvda")["ImageId"]
        wish = {"MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro", "SubnetId": self.network["subnet_ids"][0]}
        instance = self.ec2.run_instances(ImageId=image, **wish)["Instances"][0]["InstanceId"]
        self.standin.ask("DELETE", "network", octet=octet)
        eventually(lambda: self.instances("running"), "running")
        self.assertIn(octet, self.standin.ask("GET", "network"))
        self.ec2.terminate_instances(InstanceIds=[instance])
        eventually(lambda: octet not in self.standin.ask("GET", "network"), "given back")


if __name__ == "__main__":
    unittest.main()
