//! The broker ids of one partition: nearly always three or fewer, so those need no allocation.

use ottla_base::NodeId;
use std::fmt;
use std::ops::Deref;

const INLINE: usize = 3;

#[derive(Clone)]
enum Repr {
    Inline {
        len: u8,
        ids: [NodeId; INLINE],
    },
    /// Boxed twice: a thin pointer keeps the whole at 16 bytes.
    Heap(Box<Box<[NodeId]>>),
}

#[derive(Clone)]
pub struct ReplicaList(Repr);

impl ReplicaList {
    pub const EMPTY: ReplicaList = ReplicaList(Repr::Inline { len: 0, ids: [0; INLINE] });

    pub fn as_slice(&self) -> &[NodeId] {
        match &self.0 {
            Repr::Inline { len, ids } => ids.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Heap(ids) => ids,
        }
    }
}

impl Deref for ReplicaList {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        self.as_slice()
    }
}

impl From<&[NodeId]> for ReplicaList {
    fn from(list: &[NodeId]) -> Self {
        if list.len() > INLINE {
            return ReplicaList(Repr::Heap(Box::new(list.into())));
        }
        let mut ids = [0; INLINE];
        for (slot, id) in ids.iter_mut().zip(list) {
            *slot = *id;
        }
        ReplicaList(Repr::Inline { len: list.len() as u8, ids })
    }
}

impl From<&Vec<NodeId>> for ReplicaList {
    fn from(list: &Vec<NodeId>) -> Self {
        list.as_slice().into()
    }
}

impl PartialEq for ReplicaList {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl fmt::Debug for ReplicaList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_need_no_allocation() {
        assert_eq!(size_of::<ReplicaList>(), 16);
        for len in 0..6 {
            let list: Vec<i32> = (1..=len).collect();
            assert_eq!(&ReplicaList::from(&list)[..], &list[..]);
        }
    }
}
