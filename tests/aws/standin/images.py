"""Machine images: what they run, and the rules of EC2 that moto leaves out.

The content of an image is a program on this machine, named by the tag `standin:command`. Content
follows an image through CopyImage and CreateImage even where its tags do not.
"""

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses import EC2Response

from .errors import Refused, require, tokens
from .faults import faults
from .pages import cut
from .world import world

COMMAND_TAG = "standin:command"
moto_describe_images = AmiBackend.describe_images
moto_delete_snapshot = EBSBackend.delete_snapshot
moto_mappings = Ami.block_device_mappings.fget
# Images that are still being made: (image, when it becomes available).
unfinished = []
# Account -> for how many seconds its images are pending, where a test says so.
slow = {}
# Images that were deregistered, each with whose it was.
gone = []


def install():
    """Puts this module's behaviour into moto."""
    Ami.block_device_mappings = property(mappings_of)
    AmiBackend.describe_images = describe_images
    EBSBackend.delete_snapshot = delete_snapshot
    for operation in OPERATIONS:
        setattr(EC2Response, operation.__name__, operation)
    world.on_beat(beat)


def beat():
    """Finishes the images that are due."""
    for entry in list(unfinished):
        image, due = entry
        if world.now() >= due:
            image.state = "failed" if getattr(image, "state_reason", None) else "available"
            unfinished.remove(entry)


def program_of(image):
    """The command that an instance of this image runs; empty for an image without content."""
    while image is not None:
        for tag in image.get_tags():
            if tag["key"] == COMMAND_TAG:
                return tag["value"]
        image = getattr(image, "content_from", None)
    return world.settings.image_command


def mappings_of(self):
    """The block devices: those given at registration, or the one that moto makes."""
    return getattr(self, "given_mappings", None) or moto_mappings(self)


def snapshots_of(image):
    """Ids of the snapshots that an image stands on."""
    devices = [mapping.get("Ebs") or {} for mapping in image.block_device_mappings]
    return [device["SnapshotId"] for device in devices if device.get("SnapshotId")]


def shared_with(account, region):
    """Images of other accounts that their owners let this account launch."""
    for owner, backends in list(ec2_backends.items()):
        if owner == account or region not in backends.keys():
            continue
        for image in backends[region].amis.values():
            if {"UserId": account} in image.launch_permissions or image.is_public:
                yield image


def describe_images(self, ami_ids=None, filters=None, exec_users=None, owners=None):
    """Own and shared images; an id that does not exist is an error, also a deregistered one."""
    shared = [image for image in shared_with(self.account_id, self.region_name) if image.id not in self.amis]
    if ami_ids:
        known = set(self.amis) | {image.id for image in shared}
        missing = [image_id for image_id in ami_ids if image_id.startswith("ami-") and image_id not in known]
        if missing:
            raise not_found(missing)
    own = self.amis
    self.amis = {**own, **{image.id: image for image in shared}}
    try:
        return moto_describe_images(self, ami_ids, filters, exec_users, owners)
    finally:
        self.amis = own


def not_found(image_ids):
    subject, verb = ("id", "does") if len(image_ids) == 1 else ("ids", "do")
    return Refused("InvalidAMIID.NotFound", f"The image {subject} '[{', '.join(image_ids)}]' {verb} not exist")


def launchable(backend, image_id):
    """The image, if it can be launched now."""
    image = backend.describe_images(ami_ids=[image_id])[0]
    require(
        image.state == "available",
        "InvalidAMIID.Unavailable",
        f"The image ID '{image_id}' is {image.state}",
    )
    return image


def own_image(backend, image_id):
    image = backend.amis.get(image_id)
    if image is None and any(shared.id == image_id for shared in shared_with(backend.account_id, backend.region_name)):
        raise Refused("AuthFailure", f"Not authorized for image:{image_id}")
    if image is None:
        raise not_found([image_id])
    return image


def refuse_used_name(backend, name):
    """A name is in use, and for a while after its image was deregistered."""
    known = list(backend.amis.values()) + [image for owner, image in gone if owner is backend]
    for image in known:
        if image.name == name:
            raise Refused("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image.id}")


def time_of_copy(response):
    """How long an image is pending, in seconds."""
    return slow.get(response.current_account, world.settings.image_copy)


def tags_for(response, resource_type):
    return response._parse_tag_specification().get(resource_type, {})


def make_image(response, delay, **options):
    """A new image of this region, pending for `delay` seconds."""
    backend = response.ec2_backend
    from moto.ec2.utils import random_ami_id

    image_id = random_ami_id()
    image = Ami(backend, image_id, root_device_type="ebs", hypervisor="xen", **options)
    image.virtualization_type = image.virtualization_type or "hvm"
    image.ena_support = True
    image.add_tags(tags_for(response, "image"))
    image.ebs_snapshot.add_tags(tags_for(response, "snapshot"))
    if delay:
        image.state = "pending"
        unfinished.append((image, world.now() + delay))
    backend.amis[image_id] = image
    return image


def register_image(self):
    """RegisterImage, keeping everything that DescribeImages tells back."""
    name = self._get_param("Name")
    refuse_used_name(self.ec2_backend, name)
    self.error_on_dryrun()
    image = make_image(
        self,
        0,
        name=name,
        description=self._get_param("Description", ""),
        architecture=self._get_param("Architecture", "i386"),
        virtualization_type=self._get_param("VirtualizationType"),
        root_device_name=self._get_param("RootDeviceName") or "/dev/sda1",
        boot_mode=self._get_param("BootMode"),
    )
    image.imds_support = self._get_param("ImdsSupport")
    image.tpm_support = self._get_param("TpmSupport")
    adopt_snapshots(self.ec2_backend, image, self._get_param("BlockDeviceMappings", []))
    return ActionResult({"ImageId": image.id})


def adopt_snapshots(backend, image, mappings):
    """Stands the image on the snapshots it was registered with, instead of one of its own."""
    named = [mapping for mapping in mappings if mapping.get("Ebs", {}).get("SnapshotId")]
    if named:
        for mapping in named:
            backend.get_snapshot(mapping["Ebs"]["SnapshotId"])
        backend.snapshots.pop(image.ebs_snapshot.id, None)
        image.given_mappings = mappings


def create_image(self):
    """CreateImage: the content is that of the instance's own image."""
    name = self._get_param("Name")
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    refuse_used_name(self.ec2_backend, name)
    self.error_on_dryrun()
    source = self.ec2_backend.amis.get(instance.image_id)
    image = make_image(
        self,
        time_of_copy(self),
        instance=instance,
        name=name,
        description=self._get_param("Description", ""),
        root_device_name=instance.root_device_name,
    )
    image.content_from = source
    return ActionResult({"ImageId": image.id})


def copy_image(self):
    """CopyImage: pending for a while, with its own tags, once for each client token."""
    parameters = {key: value for key, value in self._get_params().items() if key != "ClientToken"}
    scope = (self.current_account, self.region, "CopyImage")
    self.error_on_dryrun()
    image_id = tokens.once(scope, self._get_param("ClientToken"), parameters, lambda: copy_now(self))
    return ActionResult({"ImageId": image_id})


def copy_now(response):
    source_region = response._get_param("SourceRegion")
    source_backend = ec2_backends[response.current_account][source_region]
    source = launchable(source_backend, response._get_param("SourceImageId"))
    name = response._get_param("Name")
    refuse_used_name(response.ec2_backend, name)
    image = make_image(
        response,
        time_of_copy(response),
        source_ami=source,
        name=name,
        description=response._get_param("Description") or source.description,
        root_device_name=source.root_device_name,
        boot_mode=source.boot_mode,
    )
    image.source_image_id, image.source_image_region = source.id, source_region
    image.content_from = source
    image.ebs_snapshot.encrypted = bool(response._get_bool_param("Encrypted", False)) or source.ebs_snapshot.encrypted
    image.ebs_snapshot.kms_key_id = response._get_param("KmsKeyId") or getattr(source.ebs_snapshot, "kms_key_id", None)
    if not is_usable_key(response, response._get_param("KmsKeyId")):
        image.state = "pending"
        image.state_reason = {"Code": "Client.InvalidKey", "Message": "Given key ID is not accessible"}
    if response._get_bool_param("CopyImageTags", False):
        image.add_tags({tag["key"]: tag["value"] for tag in source.get_tags() if not tag["key"].startswith("aws:")})
    return image.id


def is_usable_key(response, key_id):
    """Whether a key is there and enabled. EC2 finds out on the way: the copy fails, not the call."""
    if not key_id:
        return True
    from moto.kms.models import kms_backends

    kms = kms_backends[response.current_account][response.region]
    try:
        return kms.describe_key(key_id).enabled
    except (KeyError, AttributeError, TypeError):
        return False


def deregister_image(self):
    """DeregisterImage: refused under protection; takes the snapshots along if asked to."""
    image_id = self._get_param("ImageId")
    backend = self.ec2_backend
    if image_id in backend.deleted_amis:
        raise Refused("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is no longer available")
    image = own_image(backend, image_id)
    require(
        not getattr(image, "deregistration_protection", "disabled").startswith("enabled"),
        "OperationNotPermitted",
        f"The image '{image_id}' is protected from deregistration. Disable deregistration protection first.",
    )
    self.error_on_dryrun()
    snapshots = snapshots_of(image)
    backend.deregister_image(image_id)
    gone.append((backend, image))
    results = []
    if self._get_bool_param("DeleteAssociatedSnapshots", False):
        results = [delete_with_image(backend, snapshot_id) for snapshot_id in snapshots]
    return ActionResult({"Return": True, "DeleteSnapshotResults": results})


def delete_with_image(backend, snapshot_id):
    if faults.denies(backend.account_id, "ec2:DeleteSnapshot"):
        return {"SnapshotId": snapshot_id, "ReturnCode": "missing-permissions"}
    try:
        backend.delete_snapshot(snapshot_id)
        return {"SnapshotId": snapshot_id, "ReturnCode": "success"}
    except Refused:
        return {"SnapshotId": snapshot_id, "ReturnCode": "skipped"}


def delete_snapshot(self, snapshot_id):
    """DeleteSnapshot: refused while any image stands on the snapshot."""
    for image in self.amis.values():
        if snapshot_id in snapshots_of(image):
            raise Refused(
                "InvalidSnapshot.InUse", f"The snapshot {snapshot_id} is currently in use by {image.id}"
            )
    self.get_snapshot(snapshot_id).from_ami = None
    return moto_delete_snapshot(self, snapshot_id)


def describe_image_page(self):
    """DescribeImages with pages."""
    self.error_on_dryrun()
    ids = self._get_param("ImageIds", [])
    require(
        not (ids and self._get_param("MaxResults")),
        "InvalidParameterCombination",
        "The parameter imageIdsSet cannot be used with the parameter maxResults",
    )
    images = self.ec2_backend.describe_images(
        ami_ids=ids,
        filters=self._filters_from_querystring(),
        exec_users=self._get_param("ExecutableUsers", []),
        owners=self._get_param("Owners", []),
    )
    if not ids and not self._get_bool_param("IncludeDeprecated", False):
        images = [image for image in images if image.owner_id == self.current_account or not is_deprecated(image)]
    if ids:
        return ActionResult({"Images": images})
    page, following = cut(self, self.ec2_backend.describe_images(), images, lambda image: image.id)
    return ActionResult({"Images": page, "NextToken": following})


describe_image_page.__name__ = "describe_images"


def is_deprecated(image):
    """Whether an image's time has come: others are then not told of it unless they ask."""
    time = getattr(image, "deprecation_time", None)
    return time is not None and time <= f"{utcnow():%Y-%m-%dT%H:%M:%S.000Z}"


def enable_image_deprecation(self):
    when = self._get_param("DeprecateAt")
    require(when.replace(tzinfo=None) > utcnow(), "InvalidParameterValue", "The date you specified is in the past. Specify a date in the future.")
    own_image(self.ec2_backend, self._get_param("ImageId")).deprecation_time = f"{when:%Y-%m-%dT%H:%M:%S.000Z}"
    return ActionResult({"Return": True})


def deprecate_now(account):
    """Brings every deprecation of an account's images into the past."""
    for backend in ec2_backends[account].values():
        for image in backend.amis.values():
            if getattr(image, "deprecation_time", None):
                image.deprecation_time = "2000-01-01T00:00:00.000Z"


def disable_image_deprecation(self):
    own_image(self.ec2_backend, self._get_param("ImageId")).deprecation_time = None
    return ActionResult({"Return": True})


def enable_image_deregistration_protection(self):
    cooldown = self._get_bool_param("WithCooldown", False)
    word = "enabled-with-cooldown" if cooldown else "enabled-without-cooldown"
    own_image(self.ec2_backend, self._get_param("ImageId")).deregistration_protection = word
    return ActionResult({"Return": word})


def disable_image_deregistration_protection(self):
    own_image(self.ec2_backend, self._get_param("ImageId")).deregistration_protection = "disabled"
    return ActionResult({"Return": "disabled"})


OPERATIONS = [
    register_image,
    create_image,
    copy_image,
    deregister_image,
    describe_image_page,
    enable_image_deprecation,
    disable_image_deprecation,
    enable_image_deregistration_protection,
    disable_image_deregistration_protection,
]
