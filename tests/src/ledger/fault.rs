//! The faults that a run may meet, by name.

use std::fmt;
use std::str::FromStr;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Something that goes wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name under which it is asked for.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

faults! {
    /// An enforcer is killed and another started in its place.
    Kill = "kill",
    /// All enforcers are killed at once.
    KillAll = "kill-all",
    /// An enforcer is stopped in its tracks for longer than its session, and goes on.
    Pause = "pause",
    /// The end of a transaction is delivered in the midst of the next one.
    HoldEnd = "hold-end",
    /// The same, and all enforcers die at that moment.
    HoldEndKill = "hold-end-kill",
    /// The offsets of a transaction are delivered once more after those of the next one, and all enforcers die when that
    /// is committed.
    HoldOffsets = "hold-offsets",
    /// The response to the end of a transaction is lost with its connection.
    LoseEnd = "lose-end",
    /// The responses to offsets and to records are lost with their connections.
    LoseOthers = "lose-others",
    /// The coordinator refuses a transaction's offsets, as for want of a permission.
    Refuse = "refuse",
    /// All connections break.
    Reset = "reset",
    /// Nothing passes for some seconds, and nobody is told.
    Freeze = "freeze",
    /// The broker is killed and started again.
    BrokerKill = "broker-kill",
    /// The broker is stopped and started again.
    BrokerStop = "broker-stop",
    /// A stranger takes an enforcer's transactional id.
    Hijack = "hijack",
    /// Enforcers come and go.
    Storm = "storm",
    /// The registry dies, and comes back when other things have happened.
    Registry = "registry",
}

impl Fault {
    /// Whether it has no effect where nothing is being judged.
    pub fn needs_flow(self) -> bool {
        match self {
            Self::Kill
            | Self::Pause
            | Self::HoldEnd
            | Self::HoldEndKill
            | Self::HoldOffsets
            | Self::LoseEnd
            | Self::LoseOthers
            | Self::Refuse
            | Self::Hijack => true,
            Self::KillAll
            | Self::Reset
            | Self::Freeze
            | Self::BrokerKill
            | Self::BrokerStop
            | Self::Storm
            | Self::Registry => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|fault| fault.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|fault| fault.name()).collect();
            format!("no fault `{text}`; there are {}", names.join(", "))
        })
    }
}
