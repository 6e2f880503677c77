//! The local cloud keeps the contract, with real processes and in real time.

use crate::contract::{self, Fixture};
use crate::place::{Place, free_address, launch, settings};
use async_trait::async_trait;
use immutable::cloud::Cloud;
use immutable::model::{ImageSource, LaunchTemplate, ReleaseRef, Settings};
use std::time::Duration;

/// Knows the question of its own version alone.
const PROGRAM: &str = r#"#!/usr/bin/env python3
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204 if self.path == "QUESTION" else 404)
        self.end_headers()
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"#;

struct Local {
    place: Place,
    settings: Settings,
}

impl Local {
    fn new() -> Self {
        let settings = Settings {
            drain: Duration::from_secs(1),
            ..settings(&free_address())
        };
        Self {
            place: Place::new(),
            settings,
        }
    }
}

#[async_trait]
impl Fixture for Local {
    fn cloud(&self) -> &dyn Cloud {
        &self.place.cloud
    }

    async fn pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn source(&self, version: &str) -> ImageSource {
        let text = PROGRAM.replace("QUESTION", &contract::question(version));
        ImageSource::Path(self.place.program(&format!("web-{version}"), &text))
    }

    fn launch(&self, version: &str) -> LaunchTemplate {
        let release = ReleaseRef::parse(&format!("web@{version}")).unwrap();
        LaunchTemplate {
            health_path: Some(contract::question(version)),
            ..launch(&release)
        }
    }

    fn settings(&self) -> Settings {
        self.settings.clone()
    }

    fn gets_healthy_within(&self) -> Duration {
        Duration::from_secs(120)
    }
}

crate::suite!(Local::new());
