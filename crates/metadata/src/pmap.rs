//! A persistent ordered map: a clone costs one reference count, and a change copies only the path to it
//! (nothing at all while the map is not shared).
//!
//! A B-tree with wide leaves, because an image of a million partitions has to be small and quick to load: an entry costs
//! little more than itself, where a hash trie spends an allocation on each.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Entries of a leaf and children of an inner node.
const WIDTH: usize = 32;

pub struct PMap<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    /// Each child with its smallest key. Never empty.
    Inner(Vec<(K, Arc<Node<K, V>>)>),
}

impl<K: Clone, V: Clone> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(entries) => Node::Leaf(entries.clone()),
            Node::Inner(children) => Node::Inner(children.clone()),
        }
    }
}

impl<K, V> Clone for PMap<K, V> {
    fn clone(&self) -> Self {
        PMap { root: self.root.clone(), len: self.len }
    }
}

impl<K, V> Default for PMap<K, V> {
    fn default() -> Self {
        PMap { root: Arc::new(Node::Leaf(Vec::new())), len: 0 }
    }
}

type Split<K, V> = Option<(K, Arc<Node<K, V>>)>;

impl<K: Ord + Clone, V: Clone> PMap<K, V> {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut node = &self.root;
        loop {
            match &**node {
                Node::Leaf(entries) => {
                    let index = entries.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
                    return entries.get(index).map(|(_, value)| value);
                }
                Node::Inner(children) => node = &children[child_of(children, key)].1,
            }
        }
    }

    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// What it holds afterwards is no longer shared with clones of this map.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        // Looked up first, so that a miss copies nothing.
        self.get(key)?;
        let mut node = &mut self.root;
        loop {
            match Arc::make_mut(node) {
                Node::Leaf(entries) => {
                    let index = entries.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
                    return entries.get_mut(index).map(|(_, value)| value);
                }
                Node::Inner(children) => {
                    let child = child_of(children, key);
                    node = &mut children[child].1;
                }
            }
        }
    }

    /// Returns what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (old, split) = insert_into(&mut self.root, key, value);
        if let Some((key, right)) = split {
            let left = std::mem::replace(&mut self.root, Arc::new(Node::Leaf(Vec::new())));
            // Nothing is smaller than the first key of the leftmost child, so it is never compared.
            let first = smallest(&left).unwrap_or_else(|| key.clone());
            self.root = Arc::new(Node::Inner(vec![(first, left), (key, right)]));
        }
        if old.is_none() {
            self.len += 1;
        }
        old
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let removed = remove_from(&mut self.root, key);
        while let Node::Inner(children) = &*self.root
            && children.len() == 1
        {
            let child = children[0].1.clone();
            self.root = child;
        }
        self.len -= 1;
        removed
    }

    /// In the order of the keys.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { path: vec![(&self.root, 0)] }
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Both are clones of one map and nothing was changed since.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }
}

fn child_of<K: Borrow<Q>, V, Q: Ord + ?Sized>(children: &[(K, V)], key: &Q) -> usize {
    children.partition_point(|(first, _)| first.borrow() <= key).saturating_sub(1)
}

fn smallest<K: Clone, V>(node: &Node<K, V>) -> Option<K> {
    match node {
        Node::Leaf(entries) => entries.first().map(|(key, _)| key.clone()),
        Node::Inner(children) => children.first().map(|(key, _)| key.clone()),
    }
}

fn insert_into<K: Ord + Clone, V: Clone>(node: &mut Arc<Node<K, V>>, key: K, value: V) -> (Option<V>, Split<K, V>) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(index) => (Some(std::mem::replace(&mut entries[index].1, value)), None),
            Err(index) => {
                entries.insert(index, (key, value));
                (None, split_off(entries, index).map(|right| (right[0].0.clone(), Arc::new(Node::Leaf(right)))))
            }
        },
        Node::Inner(children) => {
            let index = child_of(children, &key);
            if key < children[index].0 {
                children[index].0 = key.clone();
            }
            let (old, split) = insert_into(&mut children[index].1, key, value);
            let Some(right) = split else { return (old, None) };
            children.insert(index + 1, right);
            (old, split_off(children, index + 1).map(|right| (right[0].0.clone(), Arc::new(Node::Inner(right)))))
        }
    }
}

/// Halves a node that has grown too wide; but one that grew at its end stays full, so that a load in order packs tightly.
fn split_off<T>(items: &mut Vec<T>, inserted: usize) -> Option<Vec<T>> {
    if items.len() <= WIDTH {
        return None;
    }
    let at = if inserted + 1 == items.len() { items.len() - 1 } else { items.len() / 2 };
    let mut right = items.split_off(at);
    right.shrink_to(WIDTH);
    items.shrink_to_fit();
    Some(right)
}

/// A node may become narrow; only an empty one is taken out.
fn remove_from<K: Ord + Clone + Borrow<Q>, V: Clone, Q: Ord + ?Sized>(
    node: &mut Arc<Node<K, V>>,
    key: &Q,
) -> Option<V> {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let index = entries.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
            Some(entries.remove(index).1)
        }
        Node::Inner(children) => {
            let index = child_of(children, key);
            let removed = remove_from(&mut children[index].1, key);
            match smallest(&children[index].1) {
                Some(first) => children[index].0 = first,
                None => {
                    children.remove(index);
                }
            }
            removed
        }
    }
}

pub struct Iter<'a, K, V> {
    path: Vec<(&'a Node<K, V>, usize)>,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (node, index) = self.path.last_mut()?;
            let at = *index;
            *index += 1;
            match node {
                Node::Leaf(entries) => match entries.get(at) {
                    Some((key, value)) => return Some((key, value)),
                    None => self.path.pop(),
                },
                Node::Inner(children) => match children.get(at) {
                    Some((_, child)) => {
                        self.path.push((child, 0));
                        continue;
                    }
                    None => self.path.pop(),
                },
            };
        }
    }
}

impl<'a, K: Ord + Clone, V: Clone> IntoIterator for &'a PMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for PMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = PMap::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for PMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || (self.len == other.len && self.iter().eq(other.iter()))
    }
}

impl<K: Ord + Clone + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for PMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u32),
        Remove(u16),
        Double(u16),
        Snapshot,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0u16..600;
        prop_oneof![
            6 => (key.clone(), any::<u32>()).prop_map(|(k, v)| Step::Insert(k, v)),
            3 => key.clone().prop_map(Step::Remove),
            1 => key.prop_map(Step::Double),
            1 => Just(Step::Snapshot),
        ]
    }

    fn check(map: &PMap<u16, u32>, model: &BTreeMap<u16, u32>) {
        assert!(map.iter().eq(model.iter()), "{map:?}\n{model:?}");
        assert_eq!(map.len(), model.len());
        for key in 0..600u16 {
            assert_eq!(map.get(&key), model.get(&key));
        }
    }

    proptest! {
        #[test]
        fn it_is_a_btree_map_whose_clones_do_not_change(steps in proptest::collection::vec(step(), 0..1500)) {
            let mut map = PMap::new();
            let mut model = BTreeMap::new();
            let mut snapshots = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(k, v) => prop_assert_eq!(map.insert(k, v), model.insert(k, v)),
                    Step::Remove(k) => prop_assert_eq!(map.remove(&k), model.remove(&k)),
                    Step::Double(k) => {
                        if let Some(v) = map.get_mut(&k) { *v = v.wrapping_mul(2); }
                        if let Some(v) = model.get_mut(&k) { *v = v.wrapping_mul(2); }
                    }
                    Step::Snapshot if snapshots.len() < 20 => snapshots.push((map.clone(), model.clone())),
                    Step::Snapshot => {}
                }
            }
            check(&map, &model);
            for (map, model) in &snapshots {
                check(map, model);
            }
        }
    }

    #[test]
    fn a_load_in_order_fills_its_leaves() {
        let map: PMap<u32, u32> = (0..10_000).map(|i| (i, i)).collect();
        fn leaves(node: &Node<u32, u32>) -> usize {
            match node {
                Node::Leaf(_) => 1,
                Node::Inner(children) => children.iter().map(|(_, child)| leaves(child)).sum(),
            }
        }
        assert_eq!(leaves(&map.root), 10_000_usize.div_ceil(WIDTH));
    }
}
