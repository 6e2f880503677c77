//! Terraform and the harbor.

use crate::calls::Calls;
pub(crate) use crate::calls::{Known, answered, dynamic};
use crate::harbor::{Harbor, Ship};
use crate::rules::{NONE, inconsistencies, refusals};
use immutable::plugin::Work;
use immutable::protocol::Service;
use immutable::schema::Applied;
use immutable::value::{Tree, Type};
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::Request;

pub(crate) type Terraform = Calls<Harbor>;

impl Calls<Harbor> {
    /// A provider that is configured.
    pub(crate) async fn new() -> Terraform {
        let terraform = Terraform::unconfigured();
        assert_eq!(terraform.configure(Tree::Null).await, []);
        terraform
    }

    pub(crate) fn unconfigured() -> Terraform {
        let service = Arc::new(Service::new(Harbor, Work::default()));
        Terraform::about::<Ship<Applied>>(service, "harbor_ship", 2)
    }

    pub(crate) async fn configure(&self, coast: Tree) -> Vec<wire::Diagnostic> {
        let of = Type::Object(BTreeMap::from([("coast".to_owned(), Type::String)]));
        let config = Tree::Map(BTreeMap::from([("coast".to_owned(), coast)]));
        let request = wire::configure_provider::Request {
            config: Some(dynamic(&config, &of)),
            ..Default::default()
        };
        answered(self.service.configure_provider(Request::new(request)).await).diagnostics
    }

    /// Plans and applies without any error.
    pub(crate) async fn reach(&self, prior: &Known, config: &Tree) -> Known {
        let plan = self.plan(prior, config).await;
        let planned = self.read_value(plan.planned_state.as_ref());
        assert_eq!(
            refusals(&self.schema.attributes, config, &prior.state, &planned),
            NONE
        );
        let applied = self.apply(prior, config, plan).await;
        assert_eq!(applied.diagnostics, []);
        let known = self.known(applied);
        assert_eq!(inconsistencies(&planned, &known.state), NONE);
        known
    }
}
