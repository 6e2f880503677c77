//! What was seen a moment ago of things that fleets share.
//!
//! A hundred fleets in one network ask about the same subnets, the same listener and the same image
//! within one plan: they are read once.

use crate::cloud::ErrorKind;
use crate::cloud::aws::call::Calls;
use crate::cloud::aws::failure::Result;
use crate::cloud::aws::joined::Joined;
use crate::cloud::aws::releases;
use crate::model::ReleaseRef;
use aws_sdk_ec2::types::{Image, SecurityGroup, Subnet};
use aws_sdk_elasticloadbalancingv2::types::{Listener, LoadBalancer, Rule};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long a sight is good: a plan over many fleets, and no longer than a person takes to mend
/// something and to try again.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// The sights, each by the name that AWS knows it by.
#[derive(Debug)]
pub(in super::super) struct Known {
    /// The image that a release means, by the release as it is written.
    pub(super) images_of_releases: Memo<String>,
    pub(super) images: Memo<Image>,
    pub(super) subnets: Memo<Subnet>,
    pub(super) groups: Memo<SecurityGroup>,
    /// The architectures that an instance type runs.
    pub(super) types: Memo<Vec<String>>,
    /// The zones that an instance type is offered in.
    pub(super) zones: Memo<BTreeSet<String>>,
    pub(super) listeners: Memo<Listener>,
    pub(super) balancers: Memo<LoadBalancer>,
    /// The rules of a listener, by the listener's ARN.
    pub(super) rules: Memo<Vec<Rule>>,
    account: OnceCell<String>,
    limits: OnceCell<BTreeMap<String, u64>>,
}

impl Known {
    pub(in super::super) fn new(calls: &Calls) -> Self {
        macro_rules! memo {
            ($ask:ident, $($key:ident).+) => {
                Memo::new(calls, |calls, keys| async move {
                    let found = calls.$ask(&keys).await?.into_iter();
                    Ok(found.filter_map(|one| Some((one.$($key).+.clone()?, one))).collect())
                })
            };
        }
        Self {
            images_of_releases: Memo::new(calls, images_of_releases),
            images: memo!(images_of, image_id),
            subnets: memo!(subnets_of, subnet_id),
            groups: memo!(security_groups_of, group_id),
            types: Memo::new(calls, architectures),
            zones: Memo::new(calls, zones),
            listeners: memo!(listeners_of, listener_arn),
            balancers: memo!(load_balancers_of, load_balancer_arn),
            rules: Memo::new(calls, |calls, listeners| async move {
                let mut found = BTreeMap::new();
                for listener in listeners {
                    let rules = calls.rules_of(&listener).await?;
                    found.insert(listener, rules);
                }
                Ok(found)
            }),
            account: OnceCell::new(),
            limits: OnceCell::new(),
        }
    }

    /// A limit that this account has for load balancers, asked for once; absent: AWS tells none.
    pub(super) async fn limit(&self, calls: &Calls, name: &str) -> Result<Option<u64>> {
        let limits = self.limits.get_or_try_init(|| calls.balancing_limits());
        Ok(limits.await?.get(name).copied())
    }

    /// The account, asked for once; absent: nobody says.
    pub(super) async fn account(&self, calls: &Calls) -> Option<&str> {
        let account = self.account.get_or_try_init(|| calls.account()).await;
        account.ok().map(String::as_str)
    }
}

async fn images_of_releases(
    calls: Calls,
    releases: Vec<String>,
) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for text in releases {
        let Ok(release) = ReleaseRef::parse(&text) else {
            continue;
        };
        match releases::image_of(&calls, &release).await {
            Ok(image) => drop(found.insert(text, image)),
            Err(failure) if failure.kind == ErrorKind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

async fn architectures(calls: Calls, types: Vec<String>) -> Result<BTreeMap<String, Vec<String>>> {
    let found = calls.instance_types_of(&types).await?.into_iter();
    let told = found.filter_map(|one| {
        let name = one.instance_type()?.as_str().to_owned();
        let runs = one.processor_info()?.supported_architectures();
        Some((name, runs.iter().map(|it| it.as_str().to_owned()).collect()))
    });
    Ok(told.collect())
}

async fn zones(calls: Calls, types: Vec<String>) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, zone) in calls.zones_of_types(&types).await? {
        found.entry(name).or_default().insert(zone);
    }
    Ok(found)
}

/// Sights of one kind.
#[derive(Debug)]
pub(super) struct Memo<V> {
    joined: Joined<V>,
    kept: Mutex<BTreeMap<String, (Instant, V)>>,
}

impl<V: Clone + Send + Sync + 'static> Memo<V> {
    fn new<F>(calls: &Calls, ask: impl Fn(Calls, Vec<String>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<BTreeMap<String, V>>> + Send + 'static,
    {
        let (calls, ask) = (calls.clone(), Arc::new(ask));
        Self {
            joined: Joined::new(move |keys| ask(calls.clone(), keys)),
            kept: Mutex::default(),
        }
    }

    /// Tells those of the keys that exist. What did not exist is asked for again each time: it may
    /// have come.
    pub(super) async fn ask(&self, keys: &[String]) -> Result<BTreeMap<String, V>> {
        let mut found = self.good(keys);
        let rest = keys.iter().filter(|key| !found.contains_key(*key));
        let rest: Vec<String> = rest.cloned().collect();
        let seen = self.joined.ask(&rest).await?;
        let at = Instant::now();
        let kept = seen
            .iter()
            .map(|(key, value)| (key.clone(), (at, value.clone())));
        self.lock().extend(kept);
        found.extend(seen);
        Ok(found)
    }

    /// Tells one; absent: it does not exist.
    pub(super) async fn one(&self, key: &str) -> Result<Option<V>> {
        let mut found = self.ask(&[key.to_owned()]).await?;
        Ok(found.remove(key))
    }

    fn good(&self, keys: &[String]) -> BTreeMap<String, V> {
        let kept = self.lock();
        let good = keys.iter().filter_map(|key| {
            let (at, value) = kept.get(key)?;
            (at.elapsed() < GOOD_FOR).then(|| (key.clone(), value.clone()))
        });
        good.collect()
    }

    /// A poisoned lock is a panic elsewhere; what was seen is still true.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, V)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
