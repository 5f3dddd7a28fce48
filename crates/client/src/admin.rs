//! Calls that administer a cluster, tried again until they succeed or their time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla_base::{ErrorCode, NodeId, TopicPartition};
use ottla_wire::Request;
use ottla_wire::messages::*;

use crate::cluster::{Cluster, CoordinatorType, Topics};
use crate::config::{ClientConfig, Role, Settings};
use crate::connection::Connection;
use crate::error::{Error, Result, check_with};
use crate::metadata::Metadata;

mod configs;
mod topics;

pub use configs::{AlterOp, ConfigResource, ResourceType};

pub(crate) use topics::group_by_topic;
pub use topics::{NewPartitions, NewTopic, PartitionDescription, TopicDescription};

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Any,
    Controller,
    Node(NodeId),
    Coordinator(CoordinatorType, String),
}

pub struct Admin {
    pub cluster: Arc<Cluster>,
}

/// One call: how long it may still take, and what went wrong so far.
struct Attempts<'a> {
    admin: &'a Admin,
    name: &'a str,
    deadline: Instant,
    /// Requests sent.
    tries: u32,
    failures: u32,
}

impl Attempts<'_> {
    fn timed_out(&self) -> Error {
        if self.tries == 0 {
            return Error::timeout(format!("Timed out waiting for a node assignment. Call: {}", self.name));
        }
        Error::timeout(format!("Call(callName={}) timed out after {} attempt(s)", self.name, self.tries))
    }

    async fn within<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout_at(self.deadline.into(), future).await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// Returns when it is time to try again, or with the error when it is not worth it.
    async fn failed(&mut self, error: Error, target: &Target) -> Result<()> {
        if !error.is_retriable() {
            return Err(error);
        }
        let pause = self.admin.cluster.retry_backoff(self.failures);
        self.failures += 1;
        if Instant::now() + pause >= self.deadline {
            return Err(self.timed_out());
        }
        tokio::time::sleep(pause).await;
        match target {
            // What follows notices when this fails too.
            Target::Controller | Target::Node(_) => {
                let _ = self.within(self.admin.cluster.refresh(&Topics::None)).await;
            }
            Target::Coordinator(kind, key) => self.admin.cluster.forget_coordinator(*kind, key),
            Target::Any => {}
        }
        Ok(())
    }
}

impl Admin {
    pub fn new(settings: &Settings) -> Result<Admin> {
        let config = ClientConfig::new(Role::Admin, settings)?.resolved()?;
        Ok(Admin { cluster: Arc::new(Cluster::new(config)) })
    }

    fn attempts<'a>(&'a self, name: &'a str) -> Attempts<'a> {
        let deadline = Instant::now() + self.cluster.config.default_api_timeout;
        Attempts { admin: self, name, deadline, tries: 0, failures: 0 }
    }

    async fn connection(&self, target: &Target) -> Result<Arc<Connection>> {
        match target {
            Target::Any => self.cluster.any_node().await,
            Target::Controller => self.cluster.controller().await,
            Target::Node(node) => {
                if *node >= 0 && self.cluster.metadata().fetched_at.is_none() {
                    self.cluster.refresh(&Topics::None).await?;
                }
                self.cluster.node(*node).await
            }
            Target::Coordinator(kind, key) => self.cluster.coordinator(*kind, key).await,
        }
    }

    /// Sends a request until it is answered without a retriable error. `name` is Kafka's name of the call, for
    /// the message when its time is over; `error_of` finds the error that concerns the whole response.
    pub async fn call<R: Request>(
        &self,
        name: &str,
        target: Target,
        request: &R,
        error_of: fn(&R::Response) -> (i16, Option<&str>),
    ) -> Result<R::Response> {
        let mut attempts = self.attempts(name);
        loop {
            let failure = match attempts.within(self.connection(&target)).await {
                Err(error) => error,
                Ok(connection) => {
                    attempts.tries += 1;
                    match attempts.within(connection.call(request)).await {
                        Err(error) => error,
                        Ok(response) => {
                            let (code, message) = error_of(&response);
                            match check_with(code, message) {
                                Ok(()) => return Ok(response),
                                Err(error) => error,
                            }
                        }
                    }
                }
            };
            if failure.class == crate::error::class::TIMEOUT && Instant::now() >= attempts.deadline {
                return Err(failure);
            }
            attempts.failed(failure, &target).await?;
        }
    }

    /// Everything about all topics, as any broker sees it.
    pub async fn all_topics(&self, name: &str) -> Result<Arc<Metadata>> {
        let mut attempts = self.attempts(name);
        loop {
            let failure = match attempts.within(self.cluster.any_node()).await {
                Err(error) => error,
                Ok(connection) => {
                    attempts.tries += 1;
                    let refreshed = self.cluster.refresh_from(&connection, &Topics::All, true);
                    match attempts.within(refreshed).await {
                        Ok(metadata) => return Ok(metadata),
                        Err(error) => error,
                    }
                }
            };
            if Instant::now() >= attempts.deadline {
                return Err(failure);
            }
            attempts.failed(failure, &Target::Any).await?;
        }
    }

    /// The ids of the brokers that are alive, and the rest of what the cluster says about itself.
    pub async fn describe_cluster(&self) -> Result<DescribeClusterResponse> {
        let request = DescribeClusterRequest::default();
        self.call("listNodes", Target::Any, &request, |r| (r.error_code, r.error_message.as_deref())).await
    }

    /// As the broker of a node knows it.
    pub async fn api_versions(&self, node: NodeId) -> Result<ApiVersionsResponse> {
        Ok(self.connection(&Target::Node(node)).await?.api_versions().clone())
    }

    /// The partitions (of these, or of all) that are being moved.
    pub async fn list_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<ListPartitionReassignmentsResponse> {
        use list_partition_reassignments_request::ListPartitionReassignmentsTopics;
        let by_topic = |list: &[TopicPartition]| {
            crate::group_by_topic(list)
                .into_iter()
                .map(|(name, partition_indexes)| ListPartitionReassignmentsTopics {
                    name: name.to_string(),
                    partition_indexes,
                    ..Default::default()
                })
                .collect()
        };
        let request = ListPartitionReassignmentsRequest { topics: partitions.map(by_topic), ..Default::default() };
        let error = |r: &ListPartitionReassignmentsResponse| (r.error_code, None);
        self.call("listPartitionReassignments", Target::Controller, &request, error).await
    }
}

/// A timeout as requests carry it.
fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// The first error of many items; Kafka's `all()` fails with it.
fn first_error<'a>(items: impl Iterator<Item = (i16, Option<&'a str>)>) -> (i16, Option<&'a str>) {
    items.into_iter().find(|(code, _)| *code != ErrorCode::None.code()).unwrap_or((0, None))
}
