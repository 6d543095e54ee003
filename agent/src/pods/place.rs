//! The grammar of cgroup paths: what a path belongs to, by the conventions of kubelets, container runtimes and systemd.

use std::path::Path;

use crate::cgroups::text;

/// What a cgroup is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// The root cgroup.
    Host,
    /// A container of a pod.
    Container {
        /// The pod's uid, with dashes.
        pod: String,
        /// The container's id: 64 hex digits.
        id: String,
    },
    /// A pod's own cgroup, or one in it that is no container.
    Pod {
        /// The pod's uid, with dashes.
        uid: String,
    },
    /// A systemd unit.
    Unit(String),
    /// Anything else, by its path from the root, with a leading slash.
    Path(String),
    /// A cgroup that no walk has seen.
    Unknown,
}

/// A name, and the directory that it is the name of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// What it is.
    pub(super) name: Name,
    /// How many components of the path lead to the directory that *is* the container, pod or unit: what lies below
    /// belongs to it.
    pub(super) depth: usize,
}

/// Reads a path below the root of the hierarchy, with or without a leading slash.
#[must_use]
pub(super) fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Place { name: Name::Host, depth: 0 };
    }
    in_pod(&parts)
        .or_else(|| in_unit(&parts))
        .unwrap_or_else(|| Place { name: Name::Path(format!("/{}", parts.join("/"))), depth: parts.len() })
}

/// For a path that is a container or unit, how many of its components lead to the outermost directory whose limits are
/// its own: that of its pod. `None` for what lies in one, for a pod, and for the root.
#[must_use]
pub fn limits_from(path: &Path) -> Option<usize> {
    let text = text(path);
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let Place { name, depth } = place(&text);
    if depth != parts.len() {
        return None;
    }
    match name {
        Name::Container { pod, .. } => {
            let around = parts.get(..depth - 1).unwrap_or_default().join("/");
            Some(depth - usize::from(place(&around).name == Name::Pod { uid: pod }))
        }
        Name::Unit(_) | Name::Path(_) => Some(depth),
        Name::Host | Name::Pod { .. } | Name::Unknown => None,
    }
}

/// The outermost pod on the path: a pod that runs inside a container (kind in a pod) belongs to that container.
fn in_pod(parts: &[&str]) -> Option<Place> {
    for (at, part) in parts.iter().enumerate() {
        // `<pod slice>:cri-containerd:<id>`: containerd with the cgroupfs driver under a kubelet with the systemd one.
        let (part, joined) = part.split_once(':').map_or((*part, None), |(pod, rest)| (pod, Some(rest)));
        let below_kubepods = || parts.iter().take(at).any(|parent| *parent == "kubepods");
        let pod = || uid(part.strip_prefix("pod").filter(|_| below_kubepods())?);
        if let Some(uid) = pod_of_slice(part).or_else(pod) {
            let (container, depth) = match joined {
                Some(joined) => (joined.rsplit_once(':').and_then(|(_, id)| container_id(id)), at + 1),
                None => (parts.get(at + 1).and_then(|child| container_id(child)), at + 2),
            };
            return Some(match container {
                Some(id) => Place { name: Name::Container { pod: uid, id }, depth },
                None => Place { name: Name::Pod { uid }, depth: at + 1 },
            });
        }
        if !may_hold_pods(parts, at) {
            return None;
        }
    }
    None
}

/// Whether a kubelet's pods may be below this part of a path. Whoever has a subtree of his own (a user, a service with
/// `Delegate=`) can make any name in it, and would write into a pod's numbers.
fn may_hold_pods(parts: &[&str], at: usize) -> bool {
    /// Whose cgroup holds the pods where the two drivers are mixed up, and what a kubelet, Docker and Podman put between.
    const SERVICES: [&str; 10] = [
        "containerd.service",
        "crio.service",
        "docker.service",
        "kubelet.service",
        "k3s.service",
        "k3s-agent.service",
        "rke2-server.service",
        "rke2-agent.service",
        "snap.microk8s.daemon-containerd.service",
        "snap.microk8s.daemon-kubelite.service",
    ];
    const PLAIN: [&str; 7] =
        ["kubepods", "burstable", "besteffort", "kubelet", "docker", "libpod_parent", "container"];
    let Some(part) = parts.get(at) else { return false };
    let is_users = *part == "user.slice" || part.starts_with("user-");
    // Slices are the system's: nobody is given one, and a user's own are below his service.
    part.ends_with(".slice") && !is_users
        || SERVICES.contains(part)
            && at.checked_sub(1).and_then(|above| parts.get(above)) == Some(&"system.slice")
        || PLAIN.contains(part)
        || at == 0 && part.starts_with("lxc.payload.")
        || container_id(part).is_some()
}

/// `kubepods[-burstable|-besteffort]-pod<uid>.slice`, with whatever a nested kubelet puts before it.
fn pod_of_slice(part: &str) -> Option<String> {
    let (parents, text) = part.strip_suffix(".slice")?.rsplit_once("-pod")?;
    let parents =
        parents.strip_suffix("-burstable").or(parents.strip_suffix("-besteffort")).unwrap_or(parents);
    (parents == "kubepods" || parents.ends_with("-kubepods")).then(|| uid(text)).flatten()
}

/// A pod's uid: 8-4-4-4-12 hex digits, with `_` for `-` in slices; or 32 for static pods, whose uid is a hash.
fn uid(text: &str) -> Option<String> {
    let uid = text.replace('_', "-");
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<&str> = uid.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    (groups.iter().all(|group| is_hex(group)) && matches!(lengths[..], [8, 4, 4, 4, 12] | [32]))
        .then_some(uid)
}

/// `<id>`, `<runtime>-<id>` and `<runtime>-<id>.scope`, but not the monitor process that CRI-O keeps beside each.
fn container_id(part: &str) -> Option<String> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let (runtime, id) = part.rsplit_once('-').unwrap_or(("", part));
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && !runtime.ends_with("conmon")).then(|| id.to_owned())
}

/// The innermost unit that runs processes; else the slice that the path ends in.
fn in_unit(parts: &[&str]) -> Option<Place> {
    const RUNS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];
    let runs = |part: &&str| RUNS.iter().any(|suffix| part.ends_with(suffix));
    let at = parts
        .iter()
        .rposition(runs)
        .or_else(|| parts.last().filter(|last| last.ends_with(".slice")).map(|_| parts.len() - 1))?;
    Some(Place { name: Name::Unit((*parts.get(at)?).to_owned()), depth: at + 1 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "5d7e9c1a-0b2f-4c3d-8e4f-a5b6c7d8e9f0";
    const STATIC: &str = "5d7e9c1a0b2f4c3d8e4fa5b6c7d8e9f0";

    #[test]
    fn golden() {
        let container =
            |pod: &str, depth| Place { name: Name::Container { pod: pod.into(), id: ID.into() }, depth };
        let pod = |uid: &str, depth| Place { name: Name::Pod { uid: uid.into() }, depth };
        let unit = |unit: &str, depth| Place { name: Name::Unit(unit.into()), depth };
        let path = |path: &str, depth| Place { name: Name::Path(path.into()), depth };
        let burstable = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice";
        let user = "user.slice/user-1000.slice/user@1000.service";
        let scope = |depth| unit(&format!("cri-containerd-{ID}.scope"), depth);
        let kind = "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-podUID_.slice";
        for (text, expected) in [
            // The systemd driver, by quality of service and runtime.
            (format!("{burstable}/cri-containerd-ID.scope"), container(UID, 4)),
            (format!("{burstable}/crio-ID.scope"), container(UID, 4)),
            (format!("{burstable}/crio-ID.scope/container"), container(UID, 4)),
            (format!("{burstable}/docker-ID.scope"), container(UID, 4)),
            (format!("{burstable}/cri-containerd-ID.scope/init.scope/x.service"), container(UID, 4)),
            (format!("{burstable}/crio-conmon-ID.scope"), pod(UID, 3)),
            (burstable.into(), pod(UID, 3)),
            ("kubepods.slice/kubepods-podUID_.slice/cri-containerd-ID.scope".into(), container(UID, 3)),
            ("kubepods.slice/kubepods-podSTATIC.slice/cri-containerd-ID.scope".into(), container(STATIC, 3)),
            ("kubepods.slice/kubepods-besteffort.slice".into(), unit("kubepods-besteffort.slice", 2)),
            // The cgroupfs driver.
            ("/kubepods/burstable/podUID/ID".into(), container(UID, 4)),
            ("kubepods/podUID/ID/nested/deeper".into(), container(UID, 3)),
            ("kubepods/besteffort/podSTATIC/ID".into(), container(STATIC, 4)),
            ("kubepods/besteffort/podUID".into(), pod(UID, 3)),
            ("kubepods/podUID/not-a-container".into(), pod(UID, 2)),
            ("kubepods/burstable".into(), path("/kubepods/burstable", 2)),
            // The two drivers mixed up.
            (
                "system.slice/containerd.service/kubepods-burstable-podUID_.slice:cri-containerd:ID".into(),
                container(UID, 3),
            ),
            // Nested: kind on Docker, under systemd and not; kind in a pod.
            (format!("docker/ID/{kind}/cri-containerd-ID.scope"), container(UID, 7)),
            (format!("system.slice/docker-ID.scope/{kind}/cri-containerd-ID.scope"), container(UID, 7)),
            ("docker/ID/kubelet/kubepods/burstable/podUID/ID".into(), container(UID, 7)),
            (format!("kubepods/podUID/ID/docker/ID/{kind}/cri-containerd-ID.scope"), container(UID, 3)),
            (
                format!("machine.slice/libpod-ID.scope/container/{kind}/cri-containerd-ID.scope"),
                container(UID, 8),
            ),
            ("lxc.payload.worker/kubepods.slice/kubepods-podUID_.slice".into(), pod(UID, 3)),
            // No pods.
            ("".into(), Place { name: Name::Host, depth: 0 }),
            ("/".into(), Place { name: Name::Host, depth: 0 }),
            ("/system.slice/x.service".into(), unit("x.service", 2)),
            ("system.slice/x.service/delegated/leaf".into(), unit("x.service", 2)),
            ("system.slice".into(), unit("system.slice", 1)),
            ("init.scope".into(), unit("init.scope", 1)),
            ("user.slice/user-1000.slice/session-3.scope".into(), unit("session-3.scope", 3)),
            ("user.slice/user-1000.slice/user@1000.service/app.slice/a.service".into(), unit("a.service", 5)),
            ("user.slice/user-1000.slice/user@1000.service/app.slice".into(), unit("user@1000.service", 3)),
            ("system.slice/docker-ID.scope".into(), unit(&format!("docker-{ID}.scope"), 2)),
            ("docker/ID".into(), path(&format!("/docker/{ID}"), 2)),
            ("batch/job".into(), path("/batch/job", 2)),
            // What a user can make in what is his: no pod, whatever its name.
            (format!("{user}/kubepods-podUID_.slice/cri-containerd-ID.scope"), scope(5)),
            (format!("{user}/{burstable}/cri-containerd-ID.scope"), scope(7)),
            (format!("{user}/kubepods/burstable/podUID/ID"), unit("user@1000.service", 3)),
            (format!("{user}/kubepods-podUID_.slice:cri-containerd:ID"), unit("user@1000.service", 3)),
            (format!("{user}/user.slice/docker-ID.scope/{kind}/cri-containerd-ID.scope"), scope(10)),
            (format!("{user}/containerd.service/kubepods/podUID/ID"), unit("containerd.service", 4)),
            ("user.slice/kubepods-podUID_.slice".into(), unit("kubepods-podUID_.slice", 2)),
            ("system.slice/ci.service/kubepods/podUID/ID".into(), unit("ci.service", 2)),
            ("system.slice/ci.service/docker/ID/kubepods/podUID/ID".into(), unit("ci.service", 2)),
            (
                format!("docker/ID/{user}/kubepods-podUID_.slice/x-ID.scope"),
                unit(&format!("x-{ID}.scope"), 7),
            ),
            ("batch/kubepods/podUID/ID".into(), path(&format!("/batch/kubepods/pod{UID}/{ID}"), 4)),
            // What only looks like a pod.
            ("podUID/ID".into(), path(&format!("/pod{UID}/{ID}"), 2)),
            ("kubepods/podnot-a-uid/ID".into(), path(&format!("/kubepods/podnot-a-uid/{ID}"), 3)),
            ("mykubepods-podUID_.slice".into(), unit("mykubepods-podUID_.slice", 1)),
        ] {
            let fill = |text: &str| {
                text.replace("UID_", &UID.replace('-', "_"))
                    .replace("UID", UID)
                    .replace("STATIC", STATIC)
                    .replace("ID", ID)
            };
            let expected = match expected {
                Place { name: Name::Unit(unit), depth } => Place { name: Name::Unit(fill(&unit)), depth },
                other => other,
            };
            assert_eq!(place(&fill(&text)), expected, "{text}");
        }
    }

    #[test]
    fn limits_are_those_of_the_pod() {
        let burstable = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice";
        for (text, expected) in [
            (format!("{burstable}/cri-containerd-ID.scope"), Some(3)),
            (format!("{burstable}/cri-containerd-ID.scope/nested"), None),
            (burstable.into(), None),
            ("kubepods/burstable/podUID/ID".into(), Some(3)),
            (
                "system.slice/containerd.service/kubepods-burstable-podUID_.slice:cri-containerd:ID".into(),
                Some(3),
            ),
            ("system.slice/x.service".into(), Some(2)),
            ("system.slice/x.service/leaf".into(), None),
            ("docker/ID".into(), Some(2)),
            ("".into(), None),
        ] {
            let path = text.replace("UID_", &UID.replace('-', "_")).replace("UID", UID).replace("ID", ID);
            assert_eq!(limits_from(Path::new(&path)), expected, "{text}");
        }
    }

    proptest! {
        /// Any path has a place, and the directory that it names has the same name.
        #[test]
        fn an_owner_owns_itself(parts in prop::collection::vec(prop_oneof![
            "[a-z.:@-]{0,12}",
            "(kubelet-)?kubepods(-burstable)?-pod[0-9a-f]{32}\\.slice",
            "(cri-containerd|crio|crio-conmon)-[0-9a-f]{64}\\.scope",
            Just("kubepods".to_owned()),
            "pod[0-9a-f]{32}",
            "[a-z]{1,4}\\.(service|slice)",
        ], 0..8)) {
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let whole = place(&parts.join("/"));
            prop_assert!(whole.depth <= parts.len());
            prop_assert_eq!(place(&parts[..whole.depth].join("/")), whole);
        }
    }
}
