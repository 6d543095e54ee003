//! The question of `top`, and patience with an agent that has nothing yet.

use std::time::Duration;

use rajut_proto::v1::{SummarizeRequest, SummarizeResponse};

use crate::cli::{connect::Client, error::CliError};

/// How long a fresh agent may take until its first window is stored: load and attach, then one window and a bit.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often to look.
const LOOK: Duration = Duration::from_millis(250);

/// Asks once.
///
/// # Errors
/// When the agent refuses or does not answer.
pub(crate) async fn summarize(
    client: &Client,
    question: SummarizeRequest,
) -> Result<SummarizeResponse, CliError> {
    let answer = client.query().summarize(client.request(question)).await;
    Ok(answer.map_err(|status| client.refused(&status))?.into_inner())
}

/// Asks until there is something.
///
/// # Errors
/// As [`summarize`], and when there is nothing for too long.
pub(crate) async fn summarize_soon(
    client: &Client,
    question: &SummarizeRequest,
) -> Result<SummarizeResponse, CliError> {
    let started = tokio::time::Instant::now();
    loop {
        match summarize(client, question.clone()).await {
            Err(CliError::NoData(_)) if started.elapsed() < PATIENCE => tokio::time::sleep(LOOK).await,
            answer => return answer,
        }
    }
}
