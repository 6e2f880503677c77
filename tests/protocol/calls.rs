//! The calls that Terraform makes about one resource.

use crate::rules::{proposed, unknown};
use immutable::protocol::Service;
use immutable::resource::Provider;
use immutable::schema::{Attributes, Schema};
use immutable::value::{Tree, Type, json, msgpack};
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use std::sync::Arc;
use tonic::Request;

/// A provider, as the owner of one type of resource.
pub(crate) struct Calls<P: Provider> {
    pub(crate) service: Arc<Service<P>>,
    pub(crate) schema: Schema,
    type_name: &'static str,
    of: Type,
}

/// An object as Terraform knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) state: Tree,
    pub(crate) private: Vec<u8>,
    pub(crate) identity: Option<wire::ResourceIdentityData>,
}

impl<P: Provider> Calls<P> {
    /// Calls about a type of resource whose model is `M`.
    pub(crate) fn about<M: Attributes>(
        service: Arc<Service<P>>,
        type_name: &'static str,
        version: i64,
    ) -> Calls<P> {
        let schema = Schema::of::<M>(version);
        Calls {
            service,
            type_name,
            of: schema.value_type(),
            schema,
        }
    }

    pub(crate) async fn validate(&self, config: &Tree) -> Vec<wire::Diagnostic> {
        self.validate_bytes(dynamic(config, &self.of)).await
    }

    pub(crate) async fn validate_bytes(&self, config: wire::DynamicValue) -> Vec<wire::Diagnostic> {
        let request = wire::validate_resource_config::Request {
            type_name: self.type_name.to_owned(),
            config: Some(config),
            ..Default::default()
        };
        answered(
            self.service
                .validate_resource_config(Request::new(request))
                .await,
        )
        .diagnostics
    }

    pub(crate) async fn plan(
        &self,
        prior: &Known,
        config: &Tree,
    ) -> wire::plan_resource_change::Response {
        let proposed = proposed(&self.schema.attributes, &prior.state, config);
        let request = wire::plan_resource_change::Request {
            type_name: self.type_name.to_owned(),
            prior_state: Some(dynamic(&prior.state, &self.of)),
            proposed_new_state: Some(dynamic(&proposed, &self.of)),
            config: Some(dynamic(config, &self.of)),
            prior_private: prior.private.clone(),
            prior_identity: prior.identity.clone(),
            ..Default::default()
        };
        answered(
            self.service
                .plan_resource_change(Request::new(request))
                .await,
        )
    }

    pub(crate) async fn apply(
        &self,
        prior: &Known,
        config: &Tree,
        plan: wire::plan_resource_change::Response,
    ) -> wire::apply_resource_change::Response {
        let request = wire::apply_resource_change::Request {
            type_name: self.type_name.to_owned(),
            prior_state: Some(dynamic(&prior.state, &self.of)),
            planned_state: plan.planned_state,
            config: Some(dynamic(config, &self.of)),
            planned_private: plan.planned_private,
            planned_identity: plan.planned_identity,
            ..Default::default()
        };
        answered(
            self.service
                .apply_resource_change(Request::new(request))
                .await,
        )
    }

    pub(crate) async fn read(&self, known: &Known) -> wire::read_resource::Response {
        let request = wire::read_resource::Request {
            type_name: self.type_name.to_owned(),
            current_state: Some(dynamic(&known.state, &self.of)),
            private: known.private.clone(),
            current_identity: known.identity.clone(),
            ..Default::default()
        };
        answered(self.service.read_resource(Request::new(request)).await)
    }

    pub(crate) fn known(&self, applied: wire::apply_resource_change::Response) -> Known {
        Known {
            state: self.read_value(applied.new_state.as_ref()),
            private: applied.private,
            identity: applied.new_identity,
        }
    }

    pub(crate) fn read_value(&self, value: Option<&wire::DynamicValue>) -> Tree {
        msgpack::decode(&value.expect("a value").msgpack, &self.of).expect("a value of its type")
    }

    /// A configuration in JSON; `"?"` stands for unknown.
    pub(crate) fn config(&self, text: &str) -> Tree {
        let tree = json::decode(text.as_bytes()).expect("JSON");
        let tree = json::conform(unknown(tree), &self.of).expect("a value of its type");
        assert!(tree.entry("name") != &Tree::Null, "everything has a name");
        tree
    }
}

impl Known {
    pub(crate) fn nothing() -> Known {
        Known {
            state: Tree::Null,
            private: Vec::new(),
            identity: None,
        }
    }
}

pub(crate) fn answered<A>(answer: Result<tonic::Response<A>, tonic::Status>) -> A {
    answer.expect("no call ends with a status").into_inner()
}

pub(crate) fn dynamic(tree: &Tree, of: &Type) -> wire::DynamicValue {
    wire::DynamicValue {
        msgpack: msgpack::encode(tree, of).expect("a value of its type"),
        json: Vec::new(),
    }
}
