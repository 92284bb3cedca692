//! Random lives of three browsers: whatever the order of tabs, expiries, refreshes, key rotations, restarts, sign-outs and
//! a provider that comes and goes, nobody sees another's data, no ended token reaches the app, no refresh token is sent
//! twice to a provider that rotates, and nobody is signed out who did not sign out.

mod world;

use std::collections::HashSet;

use futures_util::future::join_all;
use proptest::prelude::*;

use crate::support::browser::Browser;
use crate::support::idp::Endpoint;
use world::{Stage, World};

const PEOPLE: [&str; 3] = ["alice", "bob", "alice"];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A page is opened; a login where there is no session.
    Open(usize),
    /// So many requests of one browser at once.
    Burst(usize, usize),
    /// Seconds pass.
    Wait(u64),
    SignOut(usize),
    ProviderDown,
    ProviderUp,
    Restart,
    RotateKeys,
}

/// What must be true of one browser.
struct Visitor {
    browser: Browser,
    person: &'static str,
    /// When the session ends; `None`: there is none.
    session_ends: Option<u64>,
}

struct Play {
    world: World,
    visitors: Vec<Visitor>,
    provider_up: bool,
    /// The provider came back, and a connection from before may still be taken for a good one. A token request that met
    /// its end is not sent twice: such a request gets 503, and the next one is served.
    just_back: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE.len();
    prop_oneof![
        6 => who.clone().prop_map(Step::Open),
        4 => (who.clone(), 2..12usize).prop_map(|(who, many)| Step::Burst(who, many)),
        6 => (1..180u64).prop_map(Step::Wait),
        1 => who.prop_map(Step::SignOut),
        1 => Just(Step::ProviderDown),
        2 => Just(Step::ProviderUp),
        1 => Just(Step::Restart),
        1 => Just(Step::RotateKeys),
    ]
}

impl Play {
    async fn new(stage: Stage) -> Self {
        let world = World::new(stage).await;
        let visitor = |person| Visitor {
            browser: world.browser(),
            person,
            session_ends: None,
        };
        let visitors = PEOPLE.map(visitor).into();
        Self {
            world,
            visitors,
            provider_up: true,
            just_back: false,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Open(who) => self.open(who).await,
            Step::Burst(who, many) => self.burst(who, many).await,
            Step::Wait(seconds) => self.world.advance(seconds),
            Step::SignOut(who) => {
                self.visitors[who].browser.visit("/oauth2/sign_out").send().await;
                self.visitors[who].session_ends = None;
            }
            Step::ProviderDown if self.provider_up => {
                self.world.idp.down().await;
                self.provider_up = false;
            }
            Step::ProviderUp if !self.provider_up => {
                self.world.idp.up().await;
                self.provider_up = true;
                self.just_back = true;
                // Longer than any pause that the gateway makes.
                self.world.advance(60);
            }
            Step::Restart if self.provider_up => {
                self.settle().await;
                self.world.restart().await;
            }
            Step::RotateKeys if self.provider_up => {
                self.settle().await;
                self.world.rotate_keys().await;
            }
            // A replica that starts while the provider is down waits for discovery in real time: not in this model.
            Step::ProviderDown | Step::ProviderUp | Step::Restart | Step::RotateKeys => {}
        }
        self.check_app();
    }

    fn has_session(&self, who: usize) -> bool {
        self.visitors[who]
            .session_ends
            .is_some_and(|end| self.world.clock.now().0 < end)
    }

    async fn open(&mut self, who: usize) {
        if self.has_session(who) {
            return self.burst(who, 1).await;
        }
        if !self.provider_up {
            let status = self.visitors[who].browser.visit("/").send().await.status;
            assert!(matches!(status, 302 | 503), "no session and no provider: {status}");
            return;
        }
        let now = self.world.clock.now().0;
        let visitor = &mut self.visitors[who];
        let page = visitor
            .browser
            .login(&format!("/of/{who}?at={now}"), visitor.person)
            .await;
        assert_eq!(
            (page.status, self.world.app.last().target),
            (200, format!("/of/{who}?at={now}"))
        );
        visitor.session_ends = Some(now + World::LIFETIME);
    }

    async fn burst(&mut self, who: usize, many: usize) {
        let Visitor { browser, person, .. } = &self.visitors[who];
        let ask = || join_all((0..many).map(|n| browser.fetch("GET", &format!("/{n}")).send()));
        let mut answers = ask().await;
        if self.just_back && answers.iter().any(|answer| answer.status == 503) {
            self.just_back = false;
            self.world.advance(60);
            answers = ask().await;
        }
        let signed_in = self.has_session(who);
        for answer in answers {
            match (signed_in, answer.status) {
                (true, 200) => assert_eq!(answer.echoed("x-forwarded-user"), [format!("demo|{person}")]),
                (true, 503) => assert!(!self.provider_up, "503 although the provider is there"),
                (false, 401) => {}
                (_, status) => panic!(
                    "{person} with session {signed_in}, provider {}: {status}",
                    self.provider_up
                ),
            }
        }
    }

    /// A result of a refresh that no browser has yet is in the memory of a replica: everybody takes theirs before that
    /// goes.
    async fn settle(&mut self) {
        for visitor in self.visitors.iter().filter(|visitor| visitor.session_ends.is_some()) {
            visitor.browser.fetch("GET", "/begins").send().await;
            self.world.idle().await;
            visitor.browser.fetch("GET", "/delivers").send().await;
        }
    }

    /// What the app saw: the right person, a token that is good.
    fn check_app(&self) {
        let now = self.world.clock.now().0;
        for seen in self.world.app.seen() {
            let (user, end) = self.world.bearer(&seen);
            assert_eq!(Some(user), seen.header("x-forwarded-user"));
            // The clock goes on between the request and this look.
            assert!(end + 2 > now, "a token that ended {} s ago reached the app", now - end);
        }
        self.world.app.forget();
    }

    fn check_provider(&self, stage: Stage) {
        if stage.replicas > 1 {
            return;
        }
        let mut sent = HashSet::new();
        for seen in self.world.idp.seen(Endpoint::Token) {
            if let Some(token) = seen.form("refresh_token") {
                assert!(sent.insert(token), "a refresh token was sent twice");
            }
        }
    }
}

fn play(stage: Stage, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut play = Play::new(stage).await;
        for step in steps {
            play.take(*step).await;
        }
        play.check_provider(stage);
    });
    runtime.shutdown_background();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_replica_before_a_provider_that_rotates(steps in proptest::collection::vec(step(), 1..40)) {
        play(Stage { replicas: 1 }, &steps);
    }

    #[test]
    fn two_replicas_before_a_provider_that_does_not(steps in proptest::collection::vec(step(), 1..40)) {
        play(Stage { replicas: 2 }, &steps);
    }
}
