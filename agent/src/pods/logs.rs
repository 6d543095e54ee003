//! Names from the kubelet's log directories: the one place on a node that tells them without asking anyone.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Directory entries that are looked at in one reading; a node has a few hundred.
const ENTRIES: usize = 16_384;

/// What the log directories told.
#[derive(Debug, Default)]
pub(super) struct Names {
    pods: HashMap<String, Pod>,
    /// Container names by id.
    containers: HashMap<String, Arc<str>>,
}

#[derive(Debug)]
pub(super) struct Pod {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    /// Its containers' logs, by name: listed only when asked for.
    logs: PathBuf,
}

impl Names {
    /// Reads `pods/<namespace>_<pod>_<uid>/<container>/` and `containers/<pod>_<namespace>_<container>-<id>.log`. What
    /// cannot be read has no names.
    pub(super) fn read(logs: &Path) -> Names {
        let mut names = Names::default();
        for entry in entries(&logs.join("pods")) {
            names.pods.extend(pod_of_dir(&entry, logs));
        }
        for entry in entries(&logs.join("containers")) {
            names.containers.extend(container_of_link(&entry));
        }
        names
    }

    pub(super) fn pod(&self, uid: &str) -> Option<&Pod> {
        self.pods.get(uid)
    }

    /// A container's name, and whether that is sure: it is by the container's id. A guess is made where the pod has
    /// one container (`alone`) and logs of one name; it is wrong for a sandbox whose container is still to come.
    pub(super) fn container(&self, uid: &str, id: &str, alone: bool) -> Option<(Arc<str>, bool)> {
        if let Some(name) = self.containers.get(id) {
            return Some((Arc::clone(name), true));
        }
        let pod = self.pods.get(uid).filter(|_| alone)?;
        match entries(&pod.logs).as_slice() {
            [only] => Some((only.as_str().into(), false)),
            _ => None,
        }
    }
}

fn entries(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().take(ENTRIES);
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// `<namespace>_<pod>_<uid>`; names in Kubernetes have no underscore.
fn pod_of_dir(name: &str, logs: &Path) -> Option<(String, Pod)> {
    let mut parts = name.splitn(3, '_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = ![namespace, pod, uid].contains(&"");
    whole.then(|| {
        let logs = logs.join("pods").join(name);
        (uid.to_owned(), Pod { namespace: namespace.into(), name: pod.into(), logs })
    })
}

/// `<pod>_<namespace>_<container>-<id>.log`.
fn container_of_link(name: &str) -> Option<(String, Arc<str>)> {
    let (container, id) = name.strip_suffix(".log")?.splitn(3, '_').nth(2)?.rsplit_once('-')?;
    (id.len() == 64 && !container.is_empty()).then(|| (id.to_owned(), container.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn names_of_a_node() {
        let logs = tempfile::tempdir().unwrap();
        let id = |digit: char| digit.to_string().repeat(64);
        for dir in [
            "shop_checkout-7d9_uid-1/api",
            "shop_checkout-7d9_uid-1/mesh",
            "kube-system_etcd_uid-2/etcd",
            "junk",
        ] {
            fs::create_dir_all(logs.path().join("pods").join(dir)).unwrap();
        }
        fs::create_dir(logs.path().join("containers")).unwrap();
        for file in
            [format!("checkout-7d9_shop_side-car-{}.log", id('a')), "short_shop_c-abc.log".into(), "x".into()]
        {
            fs::write(logs.path().join("containers").join(file), "").unwrap();
        }
        let names = Names::read(logs.path());
        let pod = names.pod("uid-1").unwrap();
        assert_eq!((&*pod.namespace, &*pod.name), ("shop", "checkout-7d9"));
        for (uid, id, alone, expected) in [
            ("uid-1", id('a'), false, Some(("side-car", true))),
            ("uid-1", id('b'), true, None),
            ("uid-2", id('c'), true, Some(("etcd", false))),
            ("uid-2", id('c'), false, None),
            ("uid-3", id('d'), true, None),
        ] {
            let name = names.container(uid, &id, alone);
            assert_eq!(name.as_ref().map(|(name, sure)| (&**name, *sure)), expected, "{uid} {id}");
        }
        assert!(names.pod("junk").is_none() && names.pods.len() == 2 && names.containers.len() == 1);
        assert!(Names::read(&logs.path().join("none")).pods.is_empty());
    }
}
