//! Producer ids: blocks of 1000 come from the controller, single ones from the block (KIP-730).

use crate::broker::Broker;
use crate::lifecycle::to_controller;
use ottla_base::ErrorCode;
use ottla_wire::messages::AllocateProducerIdsRequest;
use parking_lot::Mutex;
use std::sync::Arc;

type Waiter = Box<dyn FnOnce(Result<i64, ErrorCode>) + Send>;

#[derive(Default)]
struct State {
    next: i64,
    end: i64,
    asking: bool,
    waiting: Vec<Waiter>,
}

#[derive(Default)]
pub struct ProducerIds(Mutex<State>);

impl ProducerIds {
    /// Hands out a fresh id, at once or when the controller has granted a block.
    pub fn next(broker: &Arc<Broker>, waiter: impl FnOnce(Result<i64, ErrorCode>) + Send + 'static) {
        let mut state = broker.producer_ids.0.lock();
        if state.next < state.end {
            let id = state.next;
            state.next += 1;
            drop(state);
            return waiter(Ok(id));
        }
        state.waiting.push(Box::new(waiter));
        let asks = !std::mem::replace(&mut state.asking, true);
        drop(state);
        if asks {
            ask(broker);
        }
    }
}

fn ask(broker: &Arc<Broker>) {
    let request = AllocateProducerIdsRequest {
        broker_id: broker.node_id,
        broker_epoch: broker.lifecycle.epoch(),
        ..Default::default()
    };
    let asker = broker.clone();
    to_controller(broker, request, move |answer| {
        let granted = match answer {
            Ok(response) if response.error_code == 0 => Ok((response.producer_id_start, response.producer_id_len)),
            Ok(response) => Err(ErrorCode::from_code(response.error_code)),
            Err(error) => Err(error),
        };
        granted_block(&asker, granted);
    });
}

fn granted_block(broker: &Arc<Broker>, granted: Result<(i64, i32), ErrorCode>) {
    let mut ready = vec![];
    let mut state = broker.producer_ids.0.lock();
    state.asking = false;
    match granted {
        Ok((start, len)) => {
            (state.next, state.end) = (start, start + i64::from(len));
            while state.next < state.end
                && let Some(waiter) = state.waiting.pop()
            {
                ready.push((waiter, Ok(state.next)));
                state.next += 1;
            }
        }
        // The client asks again.
        Err(_) => ready.extend(state.waiting.drain(..).map(|w| (w, Err(ErrorCode::CoordinatorLoadInProgress)))),
    }
    let asks_again = !state.waiting.is_empty();
    state.asking = asks_again;
    drop(state);
    if asks_again {
        ask(broker);
    }
    for (waiter, result) in ready {
        waiter(result);
    }
}
