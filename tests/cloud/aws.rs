//! The AWS cloud keeps the contract, against a stand-in with real processes behind its instances.

use crate::aws_place::Place;
use crate::contract::{self, Fixture};
use async_trait::async_trait;
use immutable::cloud::{Cloud, TrialPlace};
use immutable::model::{ImageSource, LaunchTemplate, ReleaseRef, Settings};
use std::time::Duration;

#[async_trait]
impl Fixture for Place {
    fn cloud(&self) -> &dyn Cloud {
        &self.cloud
    }

    async fn pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn source(&self, version: &str) -> ImageSource {
        ImageSource::Image(self.image(version))
    }

    fn launch(&self, version: &str) -> LaunchTemplate {
        let release = ReleaseRef::parse(&format!("web@{version}")).unwrap();
        LaunchTemplate {
            health_path: Some(contract::question(version)),
            ..Self::launch(self, &release)
        }
    }

    fn settings(&self) -> Settings {
        Self::settings(self)
    }

    fn gets_healthy_within(&self) -> Duration {
        Duration::from_secs(120)
    }

    fn trial_place(&self) -> Option<TrialPlace> {
        Some(TrialPlace {
            instance_type: "t3.micro".to_owned(),
            subnet_id: self.network["subnet_ids"][0].as_str()?.to_owned(),
            security_group_ids: vec![self.text("security_group_id")],
        })
    }
}

crate::suite!(Place::new());
