"""What EC2 describes, page by page: a page is cut first and filtered then.

So a page of a filtered question may be empty, and the token alone tells whether another one follows.
An account whose pages are small shows who does not read on.
"""

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from .errors import Refused, require

USUAL_TYPES = 100  # instance types in a page of a filtered question
USUAL_INSTANCES = 1000
small = {}  # account -> items in a page, where a test wants few


def install():
    """Puts this module's behaviour into moto."""
    EC2Response.describe_instances = describe_instances
    EC2Response.describe_instance_types = describe_instance_types
    EC2Response.describe_security_groups = describe_security_groups
    EC2Response.describe_subnets = describe_subnets


def cut(response, everything, found, key, usual=None):
    """The part of `found` that lies in the page that is asked for, and the token of the next page."""
    size = response._get_int_param("MaxResults") or small.get(response.current_account) or usual
    page, following = page_of(list(everything), size, response._get_param("NextToken"))
    kept = {key(item) for item in page}
    return [item for item in found if key(item) in kept], following


def page_of(items, page_size, token):
    """One page and the token of the next; the token is the number of items already told."""
    try:
        start = int(token) if token else 0
    except ValueError:
        raise Refused("InvalidParameterValue", "Invalid value for nextToken") from None
    end = start + page_size if page_size else len(items)
    return items[start:end], (str(end) if end < len(items) else None)


def describe_instances(self):
    """DescribeInstances: all that are named by id at once, others in pages."""
    self.error_on_dryrun()
    ids, filters = self._get_param("InstanceIds", []), self._filters_from_querystring()
    if ids:
        require(
            not self._get_param("MaxResults"),
            "InvalidParameterCombination",
            "The parameter instancesSet cannot be used with the parameter maxResults",
        )
        found = self.ec2_backend.get_reservations_by_instance_ids(ids, filters=filters)
        return ActionResult({"Reservations": found})
    everything = self.ec2_backend.describe_instances()
    found = self.ec2_backend.describe_instances(filters=filters)
    page, following = cut(self, everything, found, lambda one: one.id, USUAL_INSTANCES)
    return ActionResult({"Reservations": page, "NextToken": following})


def describe_instance_types(self):
    """DescribeInstanceTypes: by name all at once, and none where one does not exist; else in pages."""
    names, filters = self._get_param("InstanceTypes", []), self._filters_from_querystring()
    require(len(names) <= 100, "InvalidParameterValue", "The maximum number of instance types is 100")
    if names:
        return ActionResult({"InstanceTypes": self.ec2_backend.describe_instance_types(names, filters)})
    everything = self.ec2_backend.describe_instance_types([], {})
    found = self.ec2_backend.describe_instance_types([], filters)
    page, following = cut(self, everything, found, lambda one: one["InstanceType"], USUAL_TYPES)
    return ActionResult({"InstanceTypes": page, "NextToken": following})


def describe_security_groups(self):
    """DescribeSecurityGroups, where nothing is named in pages."""
    ids, names = self._get_param("GroupIds", []), self._get_param("GroupNames", [])
    filters = self._filters_from_querystring()
    found = self.ec2_backend.describe_security_groups(group_ids=ids, groupnames=names, filters=filters)
    if ids or names:
        return ActionResult({"SecurityGroups": found})
    everything = self.ec2_backend.describe_security_groups()
    page, following = cut(self, everything, found, lambda one: one.id)
    return ActionResult({"SecurityGroups": page, "NextToken": following})


def describe_subnets(self):
    """DescribeSubnets, where nothing is named in pages."""
    self.error_on_dryrun()
    ids, filters = self._get_param("SubnetIds"), self._filters_from_querystring()
    found = self.ec2_backend.describe_subnets(ids, filters)
    if ids:
        return ActionResult({"Subnets": found})
    page, following = cut(self, self.ec2_backend.describe_subnets(), found, lambda one: one.id)
    return ActionResult({"Subnets": page, "NextToken": following})
