//! `QueryService`: each answer is made at the desk, out of the store and the status alone.

use prost::Message;
use rajut_proto::v1::{self as pb, query_service_server::QueryService};
use tonic::{Request, Response, Status};

use super::{
    View,
    desk::Desk,
    refusal::Refusal,
    token,
    unsent::Unsent,
    wire::{answer, ask},
};
use crate::{model::Utc, store::Store};

/// The largest message that is sent: a histogram with every bucket for every remembered entity fits; bytes.
pub(super) const MAX_ANSWER: usize = 32 << 20;

/// The service.
#[derive(Debug)]
pub(super) struct Queries {
    view: View,
    desk: Desk,
    unsent: Unsent,
}

impl Queries {
    /// Answers out of `view`, working at `desk`, as long as there is room in `unsent`.
    pub(super) fn new(view: View, desk: Desk, unsent: Unsent) -> Queries {
        Queries { view, desk, unsent }
    }

    async fn answer<Q: Send + 'static, A: Message + 'static>(
        &self,
        request: Request<Q>,
        make: fn(&View, &Q) -> Result<A, Refusal>,
    ) -> Result<Response<A>, Status> {
        let view = self.view.clone();
        let unsent = self.unsent.clone();
        let question = request.into_inner();
        let work = move || {
            let answer = make(&view, &question)?;
            let room = unsent.room(bounded(&answer, MAX_ANSWER)?)?;
            Ok((answer, room))
        };
        let (answer, room) = self.desk.query(work).await?;
        let mut response = Response::new(answer);
        response.extensions_mut().insert(room);
        Ok(response)
    }
}

#[tonic::async_trait]
impl QueryService for Queries {
    async fn list_entities(
        &self,
        request: Request<pb::ListEntitiesRequest>,
    ) -> Result<Response<pb::ListEntitiesResponse>, Status> {
        self.answer(request, list_entities).await
    }

    async fn list_metrics(
        &self,
        request: Request<pb::ListMetricsRequest>,
    ) -> Result<Response<pb::ListMetricsResponse>, Status> {
        self.answer(request, list_metrics).await
    }

    async fn summarize(
        &self,
        request: Request<pb::SummarizeRequest>,
    ) -> Result<Response<pb::SummarizeResponse>, Status> {
        self.answer(request, summarize).await
    }

    async fn query(&self, request: Request<pb::QueryRequest>) -> Result<Response<pb::QueryResponse>, Status> {
        self.answer(request, query).await
    }

    /// Not at the desk: status must be had from an agent that is busy, and it is one reference count away.
    async fn get_status(
        &self,
        _request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        Ok(Response::new(answer::status(&self.view.status.get())))
    }
}

fn list_entities(
    view: &View,
    request: &pb::ListEntitiesRequest,
) -> Result<pb::ListEntitiesResponse, Refusal> {
    let size = ask::page_size(request.page_size);
    let after = token::parse_page_token(&request.page_token)?;
    let all = view.store.entities();
    let mut rest = all.iter().filter(|entity| after.is_none_or(|after| entity.id.0 > after));
    let entities: Vec<pb::Entity> = rest.by_ref().take(size).map(|entity| answer::entity(entity)).collect();
    let more = rest.next().is_some();
    let next_page_token =
        entities.last().filter(|_| more).map_or_else(String::new, |last| token::page_token(last.id));
    Ok(pb::ListEntitiesResponse { entities, next_page_token })
}

fn list_metrics(view: &View, _: &pb::ListMetricsRequest) -> Result<pb::ListMetricsResponse, Refusal> {
    Ok(pb::ListMetricsResponse { metrics: answer::descriptors(&view.status.get(), |_| true) })
}

fn summarize(view: &View, request: &pb::SummarizeRequest) -> Result<pb::SummarizeResponse, Refusal> {
    let summary = ask::summary(request, open_end(view, request.range.as_ref()), Utc::now())?;
    let series = view.store.select(&summary.selection)?;
    Ok(answer::summary(series, summary.limit, &summary.detail, &view.status.get()))
}

fn query(view: &View, request: &pb::QueryRequest) -> Result<pb::QueryResponse, Refusal> {
    let question = ask::question(request, open_end(view, request.range.as_ref()), Utc::now())?;
    let series = view.store.select(&question.selection)?;
    Ok(answer::query(&question, series, &view.status.get()))
}

/// Where the newest window ends, looked up only for a range that has no end: it unpacks a window.
fn open_end(view: &View, range: Option<&pb::TimeRange>) -> Option<Utc> {
    range.filter(|range| range.start.is_some() && range.end.is_none()).and_then(|_| newest(&view.store))
}

fn newest(store: &Store) -> Option<Utc> {
    store.after(store.head().saturating_sub(1), 1).windows.last().map(|stored| stored.window.end)
}

/// The answer's size, bytes.
fn bounded<A: Message>(answer: &A, limit: usize) -> Result<usize, Refusal> {
    match answer.encoded_len() {
        size if size > limit => Err(Refusal::TooLarge { size, limit }),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_too_large_is_refused_before_it_is_sent() {
        let answer = pb::Matcher { key: "pod".into(), value: "a".into() };
        let size = answer.encoded_len();
        assert_eq!(bounded(&answer, size), Ok(size));
        assert_eq!(bounded(&answer, size - 1), Err(Refusal::TooLarge { size, limit: size - 1 }));
    }
}
