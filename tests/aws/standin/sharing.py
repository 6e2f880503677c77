"""Who may use an image and its snapshots: permissions as strict as EC2's, and seen by others."""

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.amis import Ami
from moto.ec2.responses import EC2Response

from . import images
from .errors import Refused, require

moto_modify_image = EC2Response.modify_image_attribute
moto_filter_value = Ami.get_filter_value


def install():
    """Puts this module's behaviour into moto."""
    EC2Response.modify_image_attribute = modify_image_attribute
    EC2Response.modify_snapshot_attribute = modify_snapshot_attribute
    Ami.get_filter_value = filter_value


def filter_value(self, filter_name, method_name=None):
    """Filters that moto does not know."""
    if filter_name == "description":
        return self.description or ""
    return moto_filter_value(self, filter_name, method_name)


def modify_image_attribute(self):
    """ModifyImageAttribute: by the owner alone; the description too."""
    backend = self.ec2_backend
    image = images.own_image(backend, self._get_param("ImageId"))
    for snapshot_id in images.snapshots_of(image) if self._get_param("LaunchPermission") else []:
        refuse_default_key(backend.get_snapshot(snapshot_id))
    description = self._get_param("Description")
    if description is not None:
        text = description.get("Value", "") if isinstance(description, dict) else description
        require(len(text) <= 255, "InvalidParameterValue", "The description exceeds the maximum length of 255 characters")
        image.description = text
        return EmptyResult()
    return moto_modify_image(self)


def modify_snapshot_attribute(self):
    """ModifySnapshotAttribute in both of its forms, told back by DescribeSnapshotAttribute."""
    snapshot = self.ec2_backend.get_snapshot(self._get_param("SnapshotId"))
    refuse_default_key(snapshot)
    self.error_on_dryrun()
    change = self._get_param("CreateVolumePermission", {})
    operation, ids = self._get_param("OperationType"), self._get_param("UserIds", [])
    added = accounts(change, "Add") | (set(ids) if operation == "add" else set())
    removed = accounts(change, "Remove") | (set(ids) if operation == "remove" else set())
    snapshot.create_volume_permission_userids.update(added)
    snapshot.create_volume_permission_userids.difference_update(removed)
    return ActionResult({})


def accounts(change, kind):
    """The accounts of one kind of change, each of 12 digits."""
    found = {entry["UserId"] for entry in change.get(kind, []) if "UserId" in entry}
    for account in found:
        if not (account.isdigit() and len(account) == 12):
            raise Refused("InvalidUserID.Malformed", f"Invalid user id: '{account}'")
    return found


def refuse_default_key(snapshot):
    """Nobody else can be given the key that AWS keeps for an account."""
    require(
        not (snapshot.encrypted and not getattr(snapshot, "kms_key_id", None)),
        "OperationNotPermitted",
        f"Encrypted snapshots with EBS default key cannot be shared: {snapshot.id}",
    )
