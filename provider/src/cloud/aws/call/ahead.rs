//! What is asked before anything is written: each by many names at once, and what does not exist is
//! left out.

use super::pages::Pages;
use super::{Calls, said};
use crate::cloud::aws::failure::Result;
use aws_sdk_ec2::types::{
    Filter, Image, InstanceType, InstanceTypeInfo, LocationType, SecurityGroup, Subnet,
};
use aws_sdk_elasticloadbalancingv2::types::{Listener, LoadBalancer};

/// As many values fit in one filter.
const FILTERED_AT_ONCE: usize = 200;
/// As many types are told by name at once.
const TYPES_AT_ONCE: usize = 100;
/// A type that does not exist, in EC2's words.
const NO_SUCH_TYPE: &str = "InvalidInstanceType";

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values.to_vec()))
        .build()
}

impl Calls {
    /// Tells images by id. One that is not current any more is as good as long as it is kept.
    pub(in super::super) async fn images_of(&self, ids: &[String]) -> Result<Vec<Image>> {
        let mut found = Vec::new();
        for some in ids.chunks(FILTERED_AT_ONCE) {
            let mut pages = Pages::of("ec2:DescribeImages");
            loop {
                let images = self.ec2.describe_images().filters(filter("image-id", some));
                let images = images.include_deprecated(true);
                let answer = images.set_next_token(pages.token()).send().await;
                let answer = said("ec2:DescribeImages", answer)?;
                found.extend(answer.images.unwrap_or_default());
                if !pages.turn(answer.next_token)? {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Tells subnets by id.
    pub(in super::super) async fn subnets_of(&self, ids: &[String]) -> Result<Vec<Subnet>> {
        let mut found = Vec::new();
        for some in ids.chunks(FILTERED_AT_ONCE) {
            let mut pages = Pages::of("ec2:DescribeSubnets");
            loop {
                let subnets = self
                    .ec2
                    .describe_subnets()
                    .filters(filter("subnet-id", some));
                let answer = subnets.set_next_token(pages.token()).send().await;
                let answer = said("ec2:DescribeSubnets", answer)?;
                found.extend(answer.subnets.unwrap_or_default());
                if !pages.turn(answer.next_token)? {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Tells security groups by id.
    pub(in super::super) async fn security_groups_of(
        &self,
        ids: &[String],
    ) -> Result<Vec<SecurityGroup>> {
        let mut found = Vec::new();
        for some in ids.chunks(FILTERED_AT_ONCE) {
            let mut pages = Pages::of("ec2:DescribeSecurityGroups");
            loop {
                let groups = self.ec2.describe_security_groups();
                let groups = groups.filters(filter("group-id", some));
                let answer = groups.set_next_token(pages.token()).send().await;
                let answer = said("ec2:DescribeSecurityGroups", answer)?;
                found.extend(answer.security_groups.unwrap_or_default());
                if !pages.turn(answer.next_token)? {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Tells instance types by name: one call where all exist. A filter would have EC2 go through
    /// all of its types, page by page.
    pub(in super::super) async fn instance_types_of(
        &self,
        names: &[String],
    ) -> Result<Vec<InstanceTypeInfo>> {
        let mut found = Vec::new();
        for some in names.chunks(TYPES_AT_ONCE) {
            match self.instance_types_named(some).await {
                // One that does not exist hides the others.
                Err(failure) if failure.has_code(NO_SUCH_TYPE) => {
                    for name in some {
                        match self.instance_types_named(std::slice::from_ref(name)).await {
                            Err(failure) if failure.has_code(NO_SUCH_TYPE) => {}
                            answer => found.extend(answer?),
                        }
                    }
                }
                answer => found.extend(answer?),
            }
        }
        Ok(found)
    }

    /// All of these, or none where one does not exist. An answer by name has one page.
    async fn instance_types_named(&self, names: &[String]) -> Result<Vec<InstanceTypeInfo>> {
        let names = names.iter().map(|name| InstanceType::from(name.as_str()));
        let types = self.ec2.describe_instance_types();
        let answer = types.set_instance_types(Some(names.collect()));
        let answer = said("ec2:DescribeInstanceTypes", answer.send().await)?;
        Ok(answer.instance_types.unwrap_or_default())
    }

    /// Tells in which zones of the region each of these types is offered, a pair for each zone.
    pub(in super::super) async fn zones_of_types(
        &self,
        names: &[String],
    ) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for some in names.chunks(FILTERED_AT_ONCE) {
            let mut pages = Pages::of("ec2:DescribeInstanceTypeOfferings");
            loop {
                let offerings = self.ec2.describe_instance_type_offerings();
                let page = offerings
                    .location_type(LocationType::AvailabilityZone)
                    .filters(filter("instance-type", some))
                    .set_next_token(pages.token())
                    .send()
                    .await;
                let page = said("ec2:DescribeInstanceTypeOfferings", page)?;
                let each = page.instance_type_offerings.unwrap_or_default().into_iter();
                found.extend(each.filter_map(|one| {
                    Some((one.instance_type?.as_str().to_owned(), one.location?))
                }));
                if !pages.turn(page.next_token)? {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Tells listeners by ARN. AWS names none where one does not exist, so that each is asked about
    /// by itself; fleets have few.
    pub(in super::super) async fn listeners_of(&self, arns: &[String]) -> Result<Vec<Listener>> {
        let mut found = Vec::new();
        for arn in arns {
            found.extend(self.listener(arn).await?);
        }
        Ok(found)
    }

    /// Tells load balancers by ARN.
    pub(in super::super) async fn load_balancers_of(
        &self,
        arns: &[String],
    ) -> Result<Vec<LoadBalancer>> {
        let mut found = Vec::new();
        for arn in arns {
            found.extend(self.load_balancer(arn).await?);
        }
        Ok(found)
    }

    /// Tells the account that the credentials belong to. Nobody needs a permission for this.
    pub(in super::super) async fn account(&self) -> Result<String> {
        let answer = self.identity.get_caller_identity().send().await;
        let answer = said("sts:GetCallerIdentity", answer)?;
        Ok(answer.account.unwrap_or_default())
    }
}
