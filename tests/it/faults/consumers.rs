//! Row F24: three consumers that come and go at random over a topic that is being written.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use super::events::{Random, events};
use super::kafka::{install, wait_for_records};
use super::oracle::{self, Journal};
use super::row::{Proof, row, scaled};
use super::tools::{signal, wait_until_it_catches};
use crate::support::cli::{Running, Turnpike};
use crate::support::kafka::{self, Producing};
use crate::support::wait;

const PARTITIONS: i32 = 6;
const RECORDS_A_SECOND: u32 = 250;
/// Longer than a session lasts without a heartbeat.
const FREEZE_MS: u64 = 7_000;

struct Group<'a> {
    turnpike: &'a Turnpike,
    topic: &'a str,
    group: &'a str,
    members: [Option<Running>; 3],
    /// Until when a member stands still.
    frozen: [Option<Instant>; 3],
    random: Random,
    starts: u32,
    kills: u32,
    freezes: u32,
}

impl Group<'_> {
    fn start(&mut self, at: usize) {
        let mut command = self.turnpike.command([
            "ingest",
            "--from",
            "kafka",
            "--brokers",
            kafka::bootstrap(),
            "--topics",
            self.topic,
            "--group",
            self.group,
            "--start",
            "earliest",
        ]);
        // Two members that come and go, and one that keeps its place while it is away.
        if at == 2 {
            command.env("TURNPIKE__KAFKA__OPTIONS__GROUP_INSTANCE_ID", "static");
        }
        self.members[at] = Some(Running::start(command));
        self.starts += 1;
    }

    /// A member that is to be disturbed has not ended by itself: then it would prove nothing.
    fn assert_alive(&mut self, at: usize) {
        if let Some(member) = &mut self.members[at]
            && let Some(ran) = member.wait(Duration::ZERO)
        {
            panic!("member {at} had ended by itself: {ran}");
        }
    }

    fn thaw(&mut self, at: usize) {
        if let (Some(member), Some(_)) = (&self.members[at], self.frozen[at].take()) {
            signal(member.id(), "CONT");
        }
    }

    /// Ends a member as it should be done, which has to succeed.
    fn stop(&mut self, at: usize) {
        self.assert_alive(at);
        self.thaw(at);
        if let Some(mut member) = self.members[at].take() {
            wait_until_it_catches(member.id());
            signal(member.id(), "TERM");
            let ran = member.wait(Duration::from_secs(30)).expect("it ends within 30 s");
            assert!(ran.status.success(), "{ran}");
        }
    }

    /// One thing at random.
    fn disturb(&mut self) {
        let at = usize::try_from(self.random.below(3)).unwrap();
        for member in 0..3 {
            if self.frozen[member].is_some_and(|until| until <= Instant::now()) {
                self.thaw(member);
            }
        }
        self.assert_alive(at);
        match (&self.members[at], self.random.below(5)) {
            (None, _) => self.start(at),
            (Some(_), 0) => self.stop(at),
            (Some(member), 1 | 2) if self.frozen[at].is_none() => {
                signal(member.id(), "STOP");
                self.frozen[at] = Some(Instant::now() + Duration::from_millis(FREEZE_MS));
                self.freezes += 1;
            }
            (Some(_), _) => {
                self.frozen[at] = None;
                let ran = self.members[at].take().unwrap().kill();
                assert_eq!(ran.status.signal(), Some(9), "member {at} was not killed: {ran}");
                self.kills += 1;
            }
        }
    }
}

#[test]
fn f24_consumers_that_come_and_go() {
    row("F24", "three consumers join, leave, freeze and die at random", || {
        let seconds = scaled(120, 20);
        let topic = kafka::unique_topic("rebalance");
        kafka::create_topic(&topic, PARTITIONS);
        let name = kafka::unique_topic("group");
        let turnpike = install();
        let count = seconds * u64::from(RECORDS_A_SECOND);
        let records = events(0..count);
        let mut group = Group {
            turnpike: &turnpike,
            topic: &topic,
            group: &name,
            members: [const { None }; 3],
            frozen: [None; 3],
            random: Random(24),
            starts: 0,
            kills: 0,
            freezes: 0,
        };
        (0..3).for_each(|at| group.start(at));
        let producing = Producing::start(kafka::bootstrap(), &topic, &records, RECORDS_A_SECOND);
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let pause = 300 + group.random.below(1_700);
            wait::pass(Duration::from_millis(pause));
            group.disturb();
        }
        let journal = Journal { records: producing.finish(records.len()) };
        for at in 0..3 {
            group.thaw(at);
            if group.members[at].is_none() {
                group.start(at);
            }
        }
        wait_for_records(&turnpike, records.len());
        let disturbed = u64::from(group.kills + group.freezes);
        assert!(disturbed >= scaled(20, 2), "only {disturbed} kills and freezes");
        (0..3).for_each(|at| group.stop(at));
        let Group { starts, kills, freezes, .. } = group;
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!(
            "{seconds} s, {starts} starts, {kills} kills, {freezes} freezes; {}",
            oracle::words(&report)
        ))
    });
}
