//! Labels: the names of an entity.

use std::{fmt, str::FromStr, sync::Arc};

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// The node.
    Node,
    /// Kubernetes namespace.
    Namespace,
    /// Pod name, or its uid until the name is known.
    Pod,
    /// Container name, or its short id until the name is known.
    Container,
    /// The pod's owner: Deployment, StatefulSet, ...
    Workload,
    /// systemd unit.
    Unit,
    /// cgroup path where there is no better name; `host`, `kernel`, `rajut`, `other` for those.
    Cgroup,
}

impl Label {
    /// Every label, in the order of tables.
    pub const ALL: [Label; 7] = [
        Label::Node,
        Label::Namespace,
        Label::Pod,
        Label::Container,
        Label::Workload,
        Label::Unit,
        Label::Cgroup,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Label::Node => "node",
            Label::Namespace => "namespace",
            Label::Pod => "pod",
            Label::Container => "container",
            Label::Workload => "workload",
            Label::Unit => "unit",
            Label::Cgroup => "cgroup",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown label `{0}`")]
pub struct UnknownLabel(pub String);

impl FromStr for Label {
    type Err = UnknownLabel;

    fn from_str(text: &str) -> Result<Label, UnknownLabel> {
        Label::ALL.into_iter().find(|l| l.name() == text).ok_or_else(|| UnknownLabel(text.to_owned()))
    }
}

/// The names of an entity or of a group; cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels([Option<Arc<str>>; 7]);

impl Labels {
    /// The name, where the label applies.
    #[must_use]
    pub fn get(&self, label: Label) -> Option<&str> {
        self.0[label as usize].as_deref()
    }

    /// Sets or, with `None`, takes away a name.
    pub fn set(&mut self, label: Label, value: Option<Arc<str>>) {
        self.0[label as usize] = value;
    }

    /// The same with a name set.
    #[must_use]
    pub fn with(mut self, label: Label, value: impl Into<Arc<str>>) -> Labels {
        self.set(label, Some(value.into()));
        self
    }

    /// Only these labels.
    #[must_use]
    pub fn only(&self, keep: &[Label]) -> Labels {
        let mut labels = Labels::default();
        for label in keep {
            labels.0[*label as usize] = self.0[*label as usize].clone();
        }
        labels
    }

    /// Those that apply, in the order of [`Label::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Label, &str)> {
        Label::ALL.into_iter().filter_map(|label| Some((label, self.get(label)?)))
    }
}
