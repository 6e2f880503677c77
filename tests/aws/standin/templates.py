"""Launch templates and RunInstances: idempotent, paged, and everything in a template is used."""

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.launch_templates import LaunchTemplateBackend
from moto.ec2.responses import EC2Response
from moto.ec2.utils import convert_tag_spec, filter_iam_instance_profiles

from . import images, launch, pages
from .errors import Refused, require, tokens

USER_DATA_LIMIT = 16 * 1024
PAGE = 200  # launch templates, and versions, in one answer
moto_create = EC2Response.create_launch_template
moto_run = EC2Response.run_instances
moto_run_backend = InstanceBackend.run_instances
moto_delete = LaunchTemplateBackend.delete_launch_template


def install():
    """Puts this module's behaviour into moto."""
    EC2Response.create_launch_template = create_launch_template
    EC2Response.describe_launch_templates = describe_launch_templates
    EC2Response.describe_launch_template_versions = describe_launch_template_versions
    EC2Response.run_instances = run_instances
    InstanceBackend.run_instances = run_instances_backend
    LaunchTemplateBackend.delete_launch_template = delete_launch_template


def create_launch_template(self):
    """CreateLaunchTemplate, once for each client token."""
    parameters = {key: value for key, value in self._get_params().items() if key != "ClientToken"}
    refuse_long_user_data(self._get_param("LaunchTemplateData.UserData"))
    scope = (self.current_account, self.region, "CreateLaunchTemplate")
    return tokens.once(scope, self._get_param("ClientToken"), parameters, lambda: create_now(self))


def create_now(response):
    answer = moto_create(response)
    template = response.ec2_backend.launch_templates[answer.result["LaunchTemplate"]["LaunchTemplateId"]]
    data = template.versions[0].data
    # The template's own tags are not a part of what it launches.
    specifications = data.get("TagSpecifications", [])
    data["TagSpecifications"] = [entry for entry in specifications if entry["ResourceType"] != "launch-template"]
    return answer


def refuse_long_user_data(user_data):
    import base64

    if user_data and len(base64.b64decode(user_data)) > USER_DATA_LIMIT:
        raise Refused("InvalidUserData.Malformed", "User data is limited to 16384 bytes")


def delete_launch_template(self, name, tid):
    """DeleteLaunchTemplate: a name that nobody has is told as such."""
    require(
        not name or name in self.launch_template_name_to_ids,
        "InvalidLaunchTemplateName.NotFoundException",
        "At least one of the launch templates specified in the request does not exist.",
    )
    return moto_delete(self, name, tid)


def describe_launch_templates(self):
    """DescribeLaunchTemplates with pages; an unknown id is an error."""
    for template_id in self._get_param("LaunchTemplateIds", []):
        require(
            template_id in self.ec2_backend.launch_templates,
            "InvalidLaunchTemplateId.NotFound",
            f"The specified launch template, with template ID {template_id}, does not exist.",
        )
    templates = self.ec2_backend.describe_launch_templates(
        template_names=self._get_param("LaunchTemplateNames", []),
        template_ids=self._get_param("LaunchTemplateIds", []),
        filters=self._filters_from_querystring(),
    )
    page, following = pages.page_of(templates, self._get_int_param("MaxResults", PAGE), self._get_param("NextToken"))
    return ActionResult({"LaunchTemplates": [told_template(self, template) for template in page], "NextToken": following})


def told_template(response, template):
    return {
        "CreateTime": template.create_time,
        "CreatedBy": f"arn:{response.partition}:iam::{response.current_account}:root",
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.latest_version_number,
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Tags": template.tags,
    }


def describe_launch_template_versions(self):
    """DescribeLaunchTemplateVersions with pages and the filter by image."""
    found = self.ec2_backend.describe_launch_template_versions(
        template_name=self._get_param("LaunchTemplateName"),
        template_id=self._get_param("LaunchTemplateId"),
        versions=self._get_param("Versions", []),
        min_version=self._get_int_param("MinVersion"),
        max_version=self._get_int_param("MaxVersion"),
        max_results=1000000,
    )
    everything = found
    for name, values in self._filters_from_querystring().items():
        if name != "image-id":
            raise NotImplementedError(f"DescribeLaunchTemplateVersions by {name}")
        found = [entry for entry in found if entry[1].data.get("ImageId") in values]
    page, following = pages.cut(self, everything, found, lambda entry: (entry[0].id, entry[1].number), PAGE)
    return ActionResult({"LaunchTemplateVersions": [told_version(self, *entry) for entry in page], "NextToken": following})


def told_version(response, template, version):
    return {
        "CreateTime": version.create_time,
        "CreatedBy": f"arn:{response.partition}:iam::{response.current_account}:root",
        "DefaultVersion": template.is_default(version),
        "LaunchTemplateData": version.data,
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionDescription": version.description,
        "VersionNumber": version.number,
    }


def run_instances(self):
    """RunInstances: as many as can be, once for each client token."""
    parameters = {key: value for key, value in self._get_params().items() if key != "ClientToken"}
    scope = (self.current_account, self.region, "RunInstances")
    refuse_long_user_data(self._get_param("UserData"))
    return tokens.once(scope, self._get_param("ClientToken"), parameters, lambda: run_now(self))


def run_now(response):
    response.params["MinCount"] = response._get_int_param("MaxCount", 1)
    subnet_id = response._get_param("SubnetId")
    subnet = response.ec2_backend.get_subnet(subnet_id) if subnet_id else None
    launch.refuse_as_told(response.current_account, "", subnet, response._get_param("InstanceType"))
    return moto_run(response)


def run_instances_backend(self, image_id, count, user_data, security_group_names, **options):
    """What RunInstances and groups both come through: the template's other fields are used too."""
    wanted = options.get("launch_template")
    data = self._get_template_from_args(wanted).data if wanted else {}
    image = images.launchable(self, image_id or data.get("ImageId"))
    refuse_type(options.get("instance_type") if not options.get("is_instance_type_default") else data.get("InstanceType"), image)
    options["metadata_options"] = options.get("metadata_options") or data.get("MetadataOptions") or {}
    options["block_device_mappings"] = devices(image, options, data)
    tags = dict(options.get("tags") or {})
    template_tags = convert_tag_spec(data.get("TagSpecifications") or [])
    tags["volume"] = {**template_tags.get("volume", {}), **tags.get("volume", {})}
    options["tags"] = tags
    profile = data.get("IamInstanceProfile") or {}
    check_profile(self, profile)
    refuse_full_subnet(self, options.get("subnet_id"), count)
    if data.get("InstanceMarketOptions", {}).get("MarketType") == "spot":
        options["instance_market_options"] = "spot"
    reservation = moto_run_backend(self, image_id, count, user_data, security_group_names, **options)
    for instance in reservation.instances if profile else []:
        self.associate_iam_instance_profile(instance.id, profile.get("Name"), profile.get("Arn"))
    return reservation


def devices(image, options, data):
    """The disks: the image's root, changed by the template, changed by the call."""
    given = options.get("block_device_mappings") or data.get("BlockDeviceMappings") or []
    found = {mapping["DeviceName"]: dict(mapping["Ebs"]) for mapping in image.block_device_mappings if mapping.get("Ebs")}
    found.setdefault(image.root_device_name, {}).setdefault("DeleteOnTermination", True)
    found[image.root_device_name]["DeleteOnTermination"] = True
    for mapping in given:
        if mapping.get("Ebs"):
            wanted = {key: value for key, value in mapping["Ebs"].items() if value is not None}
            found[mapping["DeviceName"]] = {**found.get(mapping["DeviceName"], {}), **wanted}
    return [{"DeviceName": name, "Ebs": device} for name, device in found.items()]


def check_profile(backend, profile):
    """Refuses an instance profile that does not exist."""
    if not profile:
        return
    from moto.iam.exceptions import NotFoundException

    try:
        filter_iam_instance_profiles(backend.account_id, backend.partition, profile.get("Arn"), profile.get("Name"))
    except NotFoundException:
        name = profile.get("Name") or profile.get("Arn")
        field = "name" if profile.get("Name") else "arn"
        raise Refused(
            "InvalidParameterValue", f"Value ({name}) for parameter iamInstanceProfile.{field} is invalid. Invalid IAM Instance Profile {field}"
        ) from None


def refuse_type(instance_type, image):
    """Refuses a type that does not exist, or cannot run the image."""
    if not instance_type:
        return
    known = INSTANCE_TYPES.get(instance_type)
    require(known is not None, "InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
    supported = known["ProcessorInfo"]["SupportedArchitectures"]
    require(
        image.architecture in supported,
        "InvalidParameterValue",
        f"The architecture '{','.join(supported)}' of the specified instance type does not match the architecture '{image.architecture}' of the specified AMI.",
    )


def refuse_full_subnet(backend, subnet_id, count):
    if subnet_id:
        free = backend.get_subnet(subnet_id).available_ip_address_count
        words = launch.WORDS["InsufficientFreeAddressesInSubnet"].format(subnet=subnet_id)
        require(int(free) >= count, "InsufficientFreeAddressesInSubnet", words)
