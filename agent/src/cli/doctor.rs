//! `rajut doctor`: a report as a screen.

use std::io::{self, Write};

use super::{
    args::PlainFormat,
    error::exit,
    json,
    out::{Out, Style},
    text::pad,
};
use crate::{
    doctor::{Overall, Report, State, Verdict},
    harmless::harmless,
};

/// Prints a report and gives the exit code.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn print(report: &Report, format: PlainFormat, out: Out, to: &mut dyn Write) -> io::Result<u8> {
    match format {
        PlainFormat::Table => screen(report, out, to)?,
        PlainFormat::Json => json::write(to, report)?,
    }
    Ok(match report.overall() {
        Overall::All => exit::DONE,
        Overall::Partly => exit::PARTLY,
        Overall::Nothing => exit::NOTHING,
    })
}

fn screen(report: &Report, out: Out, to: &mut dyn Write) -> io::Result<()> {
    let host = &report.host;
    writeln!(
        to,
        "kernel {} · BTF {} · cgroup {} · {}",
        harmless(&host.kernel),
        harmless(&host.btf),
        harmless(&host.cgroup),
        harmless(&host.privileges)
    )?;
    let widest = report.probes.iter().map(|verdict| verdict.gives.chars().count()).max().unwrap_or(0);
    for verdict in &report.probes {
        let (state, style) = match verdict.state {
            State::Ok => ("ok  ", Style::Good),
            State::Part => ("part", Style::Warn),
            State::Off => ("off ", Style::Bad),
        };
        let line = format!("{}  {}", pad(&harmless(&verdict.gives), widest, false), why(verdict));
        writeln!(to, "  {}  {}", out.paint(style, state), line.trim_end())?;
    }
    writeln!(to, "{}", summary(report))
}

/// `STANDS ON; REASON  -> ADVICE`, as far as each is there.
fn why(verdict: &Verdict) -> String {
    let known: Vec<_> = [&verdict.stands_on, &verdict.reason]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| harmless(text))
        .collect();
    let mut why = known.join("; ");
    if !verdict.advice.is_empty() {
        why.push_str("  -> ");
        why.push_str(&harmless(&verdict.advice));
    }
    why
}

fn summary(report: &Report) -> String {
    let all = report.probes.len();
    let working = report.probes.iter().filter(|verdict| verdict.state != State::Off).count();
    let next = match report.overall() {
        Overall::All => "Nothing else to do.",
        _ if report.probes.iter().any(|verdict| !verdict.advice.is_empty()) => {
            "What to do stands behind each arrow."
        }
        Overall::Partly => "The rest is more than this host offers.",
        Overall::Nothing => "Files alone are left: CPU time and throttling by cgroup.",
    };
    format!("{working} of {all} probes work. {next}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::doctor::Host;

    const PLAIN: Out = Out { terminal: false, color: false, width: None };

    fn verdict(gives: &str, state: State, stands_on: &str, reason: &str, advice: &str) -> Verdict {
        Verdict {
            probe: gives.to_owned(),
            state,
            gives: gives.to_owned(),
            stands_on: stands_on.to_owned(),
            reason: reason.to_owned(),
            advice: advice.to_owned(),
        }
    }

    fn report(probes: Vec<Verdict>) -> Report {
        let host = Host {
            kernel: "6.1.0-44-cloud-amd64".into(),
            btf: "yes".into(),
            cgroup: "v2".into(),
            privileges: "root".into(),
        };
        Report { host, probes }
    }

    fn show(report: &Report, format: PlainFormat) -> (u8, String) {
        let mut text = Vec::new();
        let code = print(report, format, PLAIN, &mut text).unwrap();
        (code, String::from_utf8(text).unwrap())
    }

    #[test]
    fn each_line_says_what_works_on_what_and_what_to_do() {
        let report = report(vec![
            verdict("cpu wait", State::Ok, "tp_btf sched_switch", "", ""),
            verdict("tcp", State::Part, "tracepoints", "needs fentry", "see docs"),
            verdict("oom forecast", State::Off, "", "no memory controller", "boot with cgroup_enable=memory"),
        ]);
        let expected = "\
kernel 6.1.0-44-cloud-amd64 · BTF yes · cgroup v2 · root
  ok    cpu wait      tp_btf sched_switch
  part  tcp           tracepoints; needs fentry  -> see docs
  off   oom forecast  no memory controller  -> boot with cgroup_enable=memory
2 of 3 probes work. What to do stands behind each arrow.
";
        assert_eq!(show(&report, PlainFormat::Table), (1, expected.to_owned()));
    }

    #[test]
    fn the_exit_code_says_how_much_works() {
        use State::{Off, Ok, Part};
        for (states, expected) in
            [(&[Ok, Ok][..], 0), (&[Ok, Part], 1), (&[Part], 1), (&[Ok, Off], 1), (&[Off, Off], 5), (&[], 5)]
        {
            let report = report(states.iter().map(|state| verdict("x", *state, "", "", "")).collect());
            assert_eq!(show(&report, PlainFormat::Table).0, expected, "{states:?}");
        }
    }

    #[test]
    fn json_has_the_same() {
        let (code, text) = show(&report(vec![verdict("tcp", State::Part, "a", "b", "c")]), PlainFormat::Json);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(code, 1);
        assert_eq!(json["host"]["kernel"], "6.1.0-44-cloud-amd64");
        assert_eq!(
            json["probes"][0],
            serde_json::json!({"probe": "tcp", "state": "part", "gives": "tcp", "stands_on": "a", "reason": "b", "advice": "c"})
        );
    }
}
