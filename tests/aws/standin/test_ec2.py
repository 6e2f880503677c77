"""Instances, images, snapshots and launch templates as strict as EC2's."""

import os
import unittest

from fixture import Case, eventually


class Instances(Case):
    """One instance and the process behind it."""

    def launch(self, image=None, wait=True, **options):
        wish = {"MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro", "SubnetId": self.network["subnet_ids"][0], **options}
        if "LaunchTemplate" not in options:
            wish["ImageId"] = image or self.image()
        found = [instance["InstanceId"] for instance in self.ec2.run_instances(**wish)["Instances"]]
        if wait:
            eventually(lambda: len(self.instances("running")) >= len(found), "running")
        return found

    def console(self, instance):
        return self.ec2.get_console_output(InstanceId=instance, Latest=True).get("Output", "")

    def status(self, instance):
        told = self.ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)["InstanceStatuses"]
        return told[0]["InstanceStatus"]["Status"]

    def guest(self, instance):
        found = self.standin.ask("GET", "guests", account=self.account)
        return next(guest for guest in found if guest["instance"] == instance)

    def test_an_instance_takes_its_time_and_tells_its_output(self):
        self.standin.ask("POST", "settings", pending=3600)
        (instance,) = self.launch(wait=False)
        self.assertEqual(self.instances()[0]["State"]["Name"], "pending")
        self.assertEqual(self.status(instance), "not-applicable")
        self.standin.ask("POST", "settings", pending=0.1, status_checks=3600)
        eventually(lambda: self.status(instance) == "initializing", "running, and not yet checked")
        self.standin.ask("POST", "settings", status_checks=0.3)
        eventually(lambda: self.status(instance) == "ok", "checked")
        address = self.instances()[0]["PrivateIpAddress"]
        self.assertTrue(address.startswith("127."))
        eventually(lambda: f"member None at {address} 8080" in self.console(instance), "its output")

    def test_a_dead_process_makes_it_impaired_and_a_reboot_heals_it(self):
        (instance,) = self.launch()
        eventually(lambda: self.status(instance) == "ok", "well")
        self.standin.ask("POST", "guests", instance=instance, do="kill")
        eventually(lambda: self.status(instance) == "impaired", "impaired")
        self.ec2.reboot_instances(InstanceIds=[instance])
        eventually(lambda: self.status(instance) == "ok", "well again")

    def test_a_crash_at_boot_is_on_the_console(self):
        (instance,) = self.launch(UserData="#cloud-boothook\nexport CRASH=1\nexport VERSION='1 2'\n")
        eventually(lambda: "cannot go on" in self.console(instance), "its last words")
        self.assertIn("member 1 2 at", self.console(instance))
        eventually(lambda: self.status(instance) == "impaired", "impaired")

    def test_a_service_starts_before_a_script_and_after_a_boothook(self):
        parts = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        parts += "--b\nContent-Type: text/cloud-boothook\n\nVERSION=early\n"
        parts += "--b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\nVERSION=late\n--b--\n"
        for user_data, version in [("#!/bin/sh\nVERSION=late\n", "None"), ("#cloud-boothook\nVERSION=early\n", "early"), (parts, "early")]:
            (instance,) = self.launch(self.image(name=f"web-{len(user_data)}"), UserData=user_data)
            eventually(lambda: f"member {version} at" in self.console(instance), version)

    def test_what_a_console_shows_by_now_is_told_of_nitro_types_that_are_asked_for_it(self):
        image = self.image()
        (nitro,) = self.launch(image)
        eventually(lambda: "member" in self.console(nitro), "its latest output")
        self.assertNotIn("Output", self.ec2.get_console_output(InstanceId=nitro))
        (xen,) = self.launch(image, InstanceType="t2.micro")
        self.assertEqual(self.code_of(lambda: self.console(xen)), "UnsupportedOperation")
        eventually(lambda: "member" in self.ec2.get_console_output(InstanceId=xen).get("Output", ""), "its output")

    def test_a_program_that_is_not_there_is_told_on_the_console(self):
        (instance,) = self.launch(self.image("/nonexistent/program"))
        eventually(lambda: "/nonexistent/program" in self.console(instance), "the error")

    def test_a_terminated_instance_shuts_down_and_its_process_is_gone(self):
        (instance,) = self.launch()
        pid = eventually(lambda: self.guest(instance)["pid"], "a process")
        self.standin.ask("POST", "guests", instance=instance, do="freeze")
        told = self.ec2.terminate_instances(InstanceIds=[instance])
        self.assertEqual(told["TerminatingInstances"][0]["CurrentState"]["Name"], "shutting-down")
        eventually(lambda: self.instances("terminated"), "terminated")
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        inventory = self.standin.ask("GET", "inventory", account=self.account)
        self.assertEqual((inventory["instances"], inventory["volumes"]), ([], []))

    def test_a_stopped_instance_starts_again(self):
        (instance,) = self.launch()
        eventually(lambda: self.guest(instance)["pid"], "a process")
        self.ec2.stop_instances(InstanceIds=[instance])
        eventually(lambda: self.instances("stopped"), "stopped")
        self.assertIsNone(self.guest(instance)["pid"])
        self.ec2.start_instances(InstanceIds=[instance])
        eventually(lambda: self.guest(instance)["pid"], "a process again")

    def test_run_instances_is_idempotent_by_its_token_and_starts_as_many_as_it_can(self):
        image = self.image("", "imaginary")
        first = self.launch(image, ClientToken="one", MaxCount=3)
        self.assertEqual(self.launch(image, ClientToken="one", MaxCount=3), first)
        self.assertEqual(len(self.instances()), 3)
        mismatch = self.code_of(lambda: self.launch(image, ClientToken="one", MaxCount=2))
        self.assertEqual(mismatch, "IdempotentParameterMismatch")

    def test_everything_in_a_template_is_used(self):
        self.client("iam").create_instance_profile(InstanceProfileName="web")
        template = self.template(
            image=self.image("", "imaginary"),
            IamInstanceProfile={"Name": "web"},
            MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "Encrypted": True, "VolumeType": "gp3"}}],
            TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "disk", "Value": "root"}]}],
            SecurityGroupIds=[self.network["security_group_id"]],
        )
        self.launch(LaunchTemplate={"LaunchTemplateId": template})
        (instance,) = self.instances()
        self.assertEqual(instance["MetadataOptions"]["HttpTokens"], "required")
        self.assertEqual(instance["SecurityGroups"][0]["GroupId"], self.network["security_group_id"])
        self.assertTrue(instance["IamInstanceProfile"]["Arn"].endswith("/web"))
        (volume,) = self.ec2.describe_volumes()["Volumes"]
        self.assertEqual((volume["Size"], volume["Encrypted"], volume["VolumeType"]), (20, True, "gp3"))
        self.assertEqual(volume["Tags"], [{"Key": "disk", "Value": "root"}])

    def test_launches_fail_as_told_and_for_their_own_faults(self):
        image = self.image("", "imaginary")
        self.standin.ask("POST", "launches", code="InsufficientInstanceCapacity", account=self.account, count=1)
        self.assertEqual(self.code_of(lambda: self.launch(image)), "InsufficientInstanceCapacity")
        self.launch(image)
        self.assertEqual(self.code_of(lambda: self.launch("ami-00000000")), "InvalidAMIID.NotFound")
        self.assertEqual(self.code_of(lambda: self.launch(image, InstanceType="t9.huge")), "InvalidParameterValue")
        self.assertEqual(self.code_of(lambda: self.launch(image, InstanceType="m7g.large")), "InvalidParameterValue")
        long = "x" * (16 * 1024 + 1)
        self.assertEqual(self.code_of(lambda: self.launch(image, UserData=long)), "InvalidUserData.Malformed")

    def test_a_page_is_cut_before_it_is_filtered(self):
        wanted = [{"Name": "instance-type", "Values": ["t3.micro"]}]
        pages = list(self.ec2.get_paginator("describe_instance_types").paginate(Filters=wanted))
        sizes = [len(page["InstanceTypes"]) for page in pages]
        self.assertEqual((sum(sizes), sizes[0]), (1, 0), "the first page is empty and not the last")
        (told,) = self.ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"]
        self.assertEqual(told["InstanceType"], "t3.micro")
        unknown = lambda: self.ec2.describe_instance_types(InstanceTypes=["t3.micro", "t3.enormous"])
        self.assertEqual(self.code_of(unknown), "InvalidInstanceType")
        self.standin.ask("POST", "pages", account=self.account, size=1)
        subnet = [{"Name": "subnet-id", "Values": [self.network["subnet_ids"][-1]]}]
        self.assertEqual(self.ec2.describe_subnets(Filters=subnet)["Subnets"], [])
        pages = self.ec2.get_paginator("describe_subnets").paginate(Filters=subnet)
        self.assertEqual(sum(len(page["Subnets"]) for page in pages), 1)

    def test_addresses_run_out_and_come_back(self):
        network = self.network["subnet_ids"][0]
        before = self.free_addresses(network)
        (instance,) = self.launch(self.image("", "imaginary"))
        self.assertEqual(self.free_addresses(network), before - 1)
        self.ec2.terminate_instances(InstanceIds=[instance])
        eventually(lambda: self.free_addresses(network) == before, "the address is free again")

    def free_addresses(self, subnet):
        return self.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"]


class Templates(Case):
    """Launch templates."""

    def test_creation_is_idempotent_by_its_token(self):
        image = self.image("", "imaginary")
        wish = {"LaunchTemplateName": "web", "LaunchTemplateData": {"ImageId": image}, "ClientToken": "one"}
        first = self.ec2.create_launch_template(**wish)["LaunchTemplate"]["LaunchTemplateId"]
        self.assertEqual(self.ec2.create_launch_template(**wish)["LaunchTemplate"]["LaunchTemplateId"], first)
        other = {**wish, "LaunchTemplateData": {"ImageId": image, "InstanceType": "t3.micro"}}
        self.assertEqual(self.code_of(lambda: self.ec2.create_launch_template(**other)), "IdempotentParameterMismatch")
        del wish["ClientToken"]
        self.assertEqual(self.code_of(lambda: self.ec2.create_launch_template(**wish)), "InvalidLaunchTemplateName.AlreadyExistsException")

    def test_an_unknown_id_is_an_error(self):
        code = self.code_of(lambda: self.ec2.describe_launch_templates(LaunchTemplateIds=["lt-0123456789abcdef0"]))
        self.assertEqual(code, "InvalidLaunchTemplateId.NotFound")

    def test_templates_and_versions_come_in_pages(self):
        image = self.image("", "imaginary")
        for index in range(25):
            self.template(f"template-{index}", image)
        self.assertEqual(len(self.ec2.describe_launch_templates()["LaunchTemplates"]), 25)
        pages = self.ec2.get_paginator("describe_launch_template_versions").paginate(Versions=["$Latest"], PaginationConfig={"PageSize": 10})
        sizes = [len(page["LaunchTemplateVersions"]) for page in pages]
        self.assertEqual(sizes, [10, 10, 5])

    def test_a_templates_own_tags_are_not_what_it_launches(self):
        made = self.ec2.create_launch_template(
            LaunchTemplateName="web",
            LaunchTemplateData={"ImageId": self.image("", "imaginary"), "InstanceType": "t3.micro"},
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "fleet", "Value": "web"}]}],
        )["LaunchTemplate"]
        self.assertEqual(made["Tags"], [{"Key": "fleet", "Value": "web"}])
        filtered = self.ec2.describe_launch_templates(Filters=[{"Name": "tag:fleet", "Values": ["web"]}])["LaunchTemplates"]
        self.assertEqual([template["LaunchTemplateId"] for template in filtered], [made["LaunchTemplateId"]])
        version = self.ec2.describe_launch_template_versions(LaunchTemplateName="web")["LaunchTemplateVersions"][0]
        self.assertEqual(version["LaunchTemplateData"].get("TagSpecifications", []), [])


class Images(Case):
    """Machine images and their snapshots."""

    def described(self, image, ec2=None):
        return (ec2 or self.ec2).describe_images(ImageIds=[image])["Images"][0]

    def snapshot(self, image, ec2=None):
        return self.described(image, ec2)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]

    def test_registration_keeps_what_it_is_given(self):
        told = self.described(self.image("", "imaginary"))
        self.assertEqual((told["Architecture"], told["RootDeviceName"], told["State"]), ("x86_64", "/dev/xvda", "available"))
        self.assertEqual(told["Tags"], [{"Key": "Name", "Value": "imaginary"}])
        self.assertEqual(self.code_of(lambda: self.image("", "imaginary")), "InvalidAMIName.Duplicate")

    def test_an_image_stands_on_the_snapshots_it_was_registered_with(self):
        volume = self.ec2.create_volume(Size=1, AvailabilityZone=self.network["zones"][0])["VolumeId"]
        snapshot = self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        self.ec2.delete_volume(VolumeId=volume)
        devices = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}]
        first = self.ec2.register_image(Name="one", RootDeviceName="/dev/xvda", BlockDeviceMappings=devices)["ImageId"]
        second = self.ec2.register_image(Name="two", RootDeviceName="/dev/xvda", BlockDeviceMappings=devices)["ImageId"]
        answer = self.ec2.deregister_image(ImageId=first, DeleteAssociatedSnapshots=True)
        self.assertEqual([entry["ReturnCode"] for entry in answer["DeleteSnapshotResults"]], ["skipped"])
        self.assertEqual(self.code_of(lambda: self.ec2.delete_snapshot(SnapshotId=snapshot)), "InvalidSnapshot.InUse")
        answer = self.ec2.deregister_image(ImageId=second, DeleteAssociatedSnapshots=True)
        self.assertEqual([entry["ReturnCode"] for entry in answer["DeleteSnapshotResults"]], ["success"])
        self.assertEqual(self.standin.ask("GET", "inventory", account=self.account)["snapshots"], [])

    def test_a_copy_is_pending_first_and_knows_its_source(self):
        there = self.client("ec2", "us-west-2")
        source = self.image()
        self.standin.ask("POST", "settings", image_copy=3600)
        wish = {
            "Name": "copy",
            "SourceImageId": source,
            "SourceRegion": "us-east-1",
            "ClientToken": "one",
            "Encrypted": True,
            "TagSpecifications": [
                {"ResourceType": "image", "Tags": [{"Key": "release", "Value": "web"}]},
                {"ResourceType": "snapshot", "Tags": [{"Key": "of", "Value": "web"}]},
            ],
        }
        copy = there.copy_image(**wish)["ImageId"]
        self.assertEqual(there.copy_image(**wish)["ImageId"], copy)
        told = self.described(copy, there)
        self.assertEqual((told["State"], told["SourceImageId"], told["SourceImageRegion"]), ("pending", source, "us-east-1"))
        self.assertEqual((told["Architecture"], told["Tags"]), ("x86_64", [{"Key": "release", "Value": "web"}]))
        run = {"ImageId": copy, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
        self.assertEqual(self.code_of(lambda: there.run_instances(**run)), "InvalidAMIID.Unavailable")
        (snapshot,) = there.describe_snapshots(SnapshotIds=[self.snapshot(copy, there)])["Snapshots"]
        self.assertEqual((snapshot["Encrypted"], snapshot["Tags"]), (True, [{"Key": "of", "Value": "web"}]))
        self.standin.ask("POST", "settings", image_copy=0.05)
        quick = there.copy_image(**{**wish, "Name": "quick", "ClientToken": "two"})["ImageId"]
        eventually(lambda: self.described(quick, there)["State"] == "available", "available")

    def test_the_program_follows_a_copy_though_its_tags_do_not(self):
        self.standin.ask("POST", "settings", image_copy=0.05)
        copy = self.ec2.copy_image(Name="copy", SourceImageId=self.image(), SourceRegion="us-east-1")["ImageId"]
        self.assertNotIn("Tags", {key: value for key, value in self.described(copy).items() if value})
        eventually(lambda: self.described(copy)["State"] == "available", "available")
        self.group(self.template(image=copy), size=1)
        eventually(lambda: any(guest["pid"] for guest in self.standin.ask("GET", "guests", account=self.account)), "a process")

    def test_deregistration_is_final_and_can_be_protected_from(self):
        image = self.image("", "imaginary")
        snapshot = self.snapshot(image)
        self.assertEqual(self.code_of(lambda: self.ec2.delete_snapshot(SnapshotId=snapshot)), "InvalidSnapshot.InUse")
        self.ec2.enable_image_deregistration_protection(ImageId=image)
        self.assertEqual(self.described(image)["DeregistrationProtection"], "enabled-without-cooldown")
        self.assertEqual(self.code_of(lambda: self.ec2.deregister_image(ImageId=image)), "OperationNotPermitted")
        self.ec2.disable_image_deregistration_protection(ImageId=image)
        self.ec2.deregister_image(ImageId=image)
        self.assertEqual(self.code_of(lambda: self.described(image)), "InvalidAMIID.NotFound")
        self.assertEqual(self.code_of(lambda: self.ec2.deregister_image(ImageId=image)), "InvalidAMIID.Unavailable")
        self.assertEqual(self.code_of(lambda: self.image("", "imaginary")), "InvalidAMIName.Duplicate", "its name is not free yet")
        self.ec2.delete_snapshot(SnapshotId=snapshot)

    def test_a_copy_under_a_key_that_is_not_there_fails_on_the_way(self):
        self.standin.ask("POST", "settings", image_copy=0.05)
        kms = self.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/images", TargetKeyId=key)
        wish = {"SourceImageId": self.image("", "imaginary"), "SourceRegion": "us-east-1", "Encrypted": True}
        good = self.ec2.copy_image(**wish, Name="good", KmsKeyId="alias/images")["ImageId"]
        bad = self.ec2.copy_image(**wish, Name="bad", KmsKeyId="alias/none")["ImageId"]
        eventually(lambda: self.described(good)["State"] == "available", "available")
        eventually(lambda: self.described(bad)["State"] == "failed", "failed")
        self.assertEqual(self.described(bad)["StateReason"]["Message"], "Given key ID is not accessible")

    def test_snapshots_are_shared_unless_their_key_is_awss_own(self):
        self.standin.ask("POST", "settings", image_copy=0.05)
        image, other = self.image("", "imaginary"), "111111111111"
        permission = {"Add": [{"UserId": other}]}
        snapshot = self.snapshot(image)
        self.ec2.modify_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission", CreateVolumePermission=permission)
        told = self.ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
        self.assertEqual(told["CreateVolumePermissions"], [{"UserId": other}])
        closed = self.ec2.copy_image(SourceImageId=image, SourceRegion="us-east-1", Name="closed", Encrypted=True)["ImageId"]
        refused = self.code_of(lambda: self.ec2.modify_image_attribute(ImageId=closed, LaunchPermission=permission))
        self.assertEqual(refused, "OperationNotPermitted")

    def test_others_find_an_image_by_its_description_and_cannot_take_it_away(self):
        image = self.image("", "imaginary")
        other = f"{int(self.account) + 500000:012}"
        theirs = self.client("ec2", account=other)
        self.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": other}]})
        self.ec2.modify_image_attribute(ImageId=image, Description={"Value": "release web@1"})
        wish = {"Owners": [self.account], "Filters": [{"Name": "description", "Values": ["*release web@1*"]}]}
        self.assertEqual(len(theirs.describe_images(**wish)["Images"]), 1)
        refused = self.code_of(lambda: theirs.deregister_image(ImageId=image))
        self.assertEqual(refused, "AuthFailure")

    def test_templates_are_found_by_their_image(self):
        image = self.image("", "imaginary")
        self.template("with", image)
        self.template("without", self.image("", "another"))
        wish = {"Versions": ["$Latest", "$Default"], "Filters": [{"Name": "image-id", "Values": [image]}]}
        found = self.ec2.describe_launch_template_versions(**wish)["LaunchTemplateVersions"]
        self.assertEqual({version["LaunchTemplateName"] for version in found}, {"with"})

    def test_deprecation_is_told(self):
        image = self.image("", "imaginary")
        past = self.code_of(lambda: self.ec2.enable_image_deprecation(ImageId=image, DeprecateAt="2020-01-01T00:00:00Z"))
        self.assertEqual(past, "InvalidParameterValue")
        self.ec2.enable_image_deprecation(ImageId=image, DeprecateAt="2030-01-02T03:04:00Z")
        self.assertTrue(self.described(image)["DeprecationTime"].startswith("2030-01-02T03:04:00"))
        self.ec2.disable_image_deprecation(ImageId=image)
        self.assertNotIn("DeprecationTime", self.described(image))

    def test_a_shared_image_is_seen_and_launched_by_the_other_account(self):
        image = self.image("", "imaginary")
        other = f"{int(self.account) + 500000:012}"
        theirs = self.client("ec2", account=other)
        self.assertEqual(self.code_of(lambda: self.described(image, theirs)), "InvalidAMIID.NotFound")
        self.ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": other}]})
        self.assertEqual(self.described(image, theirs)["OwnerId"], self.account)
        self.assertEqual(theirs.describe_images(Owners=["self"])["Images"], [])

    def test_images_come_in_pages(self):
        for index in range(5):
            self.image("", f"image-{index}")
        first = self.ec2.describe_images(Owners=["self"], MaxResults=3)
        rest = self.ec2.describe_images(Owners=["self"], MaxResults=3, NextToken=first["NextToken"])
        self.assertEqual((len(first["Images"]), len(rest["Images"])), (3, 2))


class Unknown(Case):
    """What the stand-in does not know."""

    def test_an_unknown_operation_is_a_clear_refusal(self):
        self.assertEqual(self.code_of(lambda: self.ec2.list_images_in_recycle_bin()), "InvalidAction")
        self.assertEqual(self.code_of(lambda: self.asg.start_instance_refresh(AutoScalingGroupName="g1")), "InvalidAction")

    def test_an_unknown_filter_is_a_clear_refusal(self):
        self.ec2.run_instances(ImageId=self.image("", "imaginary"), InstanceType="t3.micro", MinCount=1, MaxCount=1)
        wish = [{"Name": "no-such-filter", "Values": ["x"]}]
        self.assertEqual(self.code_of(lambda: self.ec2.describe_instances(Filters=wish)), "InvalidAction")


if __name__ == "__main__":
    unittest.main()
