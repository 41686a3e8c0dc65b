//! How layers join: the stricter wins, so no layer can loosen another; and who decided what.

use crate::setting::Joining;
use crate::{Setting, Settings, Value};

/// All layers of a computer, for one user, at one moment.
///
/// The default is "nothing configured", which allows what Windows XP allowed for thirty days (S97).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    layers: Vec<Layer>,
}

/// One source of policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Which kind of source.
    pub source: Source,
    /// Its name, usually a file.
    pub name: String,
    /// What it says.
    pub content: Content,
}

/// What a source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// It could be read.
    Settings(Settings),
    /// It is there and cannot be read, understood or trusted: no help until it is repaired (P10).
    Unusable(String),
}

/// The kinds of sources, from the one that stands highest. Source: policy.md section 3, P1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `Registry.pol` of a domain.
    GroupPolicy,
    /// `/etc/remote-assistance/policy.toml` and `policy.d`.
    Machine,
    /// The local switches of the machine, set by its administrator.
    MachineSwitches,
    /// The file that `RA_POLICY_FILE` names.
    Extra,
    /// The local switches of the user.
    OwnSwitches,
}

/// What holds for one setting, and who decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Of what.
    pub setting: Setting,
    /// What holds; `None` where nobody says anything and nothing needs to hold.
    pub value: Option<Value>,
    /// The layer that decided; `None` for the default.
    pub by: Option<&'a Layer>,
    /// Every other layer that configures it, with its value, which does not hold by itself.
    pub others: Vec<(&'a Layer, &'a Value)>,
}

impl Source {
    /// True for sources of the computer's administrator. Only these can permit what the default does not (help that
    /// is offered, a longer time); what a user can change can only restrict.
    #[must_use]
    pub const fn is_of_the_administrator(self) -> bool {
        matches!(self, Self::GroupPolicy | Self::Machine | Self::MachineSwitches)
    }

    /// Its name in `policy explain`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GroupPolicy => "group_policy",
            Self::Machine => "machine",
            Self::MachineSwitches => "machine_switches",
            Self::Extra => "extra",
            Self::OwnSwitches => "own_switches",
        }
    }
}

impl Layer {
    /// A source that could be read.
    #[must_use]
    pub fn new(source: Source, name: impl Into<String>, settings: Settings) -> Self {
        Self { source, name: name.into(), content: Content::Settings(settings) }
    }

    /// A source that exists but cannot be used: no help, whatever the other layers say. Source: policy.md P10.
    #[must_use]
    pub fn unusable(source: Source, name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { source, name: name.into(), content: Content::Unusable(reason.into()) }
    }

    /// What it says, if it can be used.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        match &self.content {
            Content::Settings(settings) => Some(settings),
            Content::Unusable(_) => None,
        }
    }
}

impl Policy {
    /// Joins layers. Those of higher [`Source`]s are named first where two are equally strict; what holds does not depend
    /// on the order, apart from the texts for the novice.
    #[must_use]
    pub fn of(layers: impl IntoIterator<Item = Layer>) -> Self {
        let mut layers: Vec<_> = layers.into_iter().collect();
        layers.sort_by_key(|layer| layer.source);
        Self { layers }
    }

    /// Every layer, the highest first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The layers that exist and cannot be used.
    pub fn unusable(&self) -> impl Iterator<Item = (&Layer, &str)> {
        self.layers.iter().filter_map(|layer| match &layer.content {
            Content::Unusable(reason) => Some((layer, reason.as_str())),
            Content::Settings(_) => None,
        })
    }

    /// What holds for one setting, and who decided it.
    ///
    /// INVARIANT: the value is the strictest of the administrator's layers, or of the default where none of them
    /// configures it, and of all other layers. Source: policy.md P1 to P5.
    #[must_use]
    pub fn decide(&self, setting: Setting) -> Decision<'_> {
        let said: Vec<(&Layer, &Value)> =
            self.layers.iter().filter_map(|layer| Some((layer, layer.settings()?.value(setting)?))).collect();
        let (mut value, mut by) = (Value::default_of(setting), None);
        // Where nothing holds by default, everything is allowed: whoever says something first, says less.
        if value.is_none()
            || setting.joining() == Joining::First
            || said.iter().any(|(layer, _)| layer.source.is_of_the_administrator())
        {
            // The administrator's word takes the place of the default. Its layers stand first.
            if let Some((layer, first)) = said.first() {
                (value, by) = (Some((*first).clone()), Some(*layer));
            }
        }
        for (layer, theirs) in &said {
            let joined = value.clone().map(|value| value.stricter(theirs, setting.joining()));
            if joined != value || by.is_none() && joined.as_ref() == Some(*theirs) {
                (value, by) = (joined, Some(*layer));
            }
        }
        let others = said.into_iter().filter(|(layer, _)| by.is_none_or(|by| !core::ptr::eq(by, *layer))).collect();
        Decision { setting, value, by, others }
    }

    /// What holds for every setting.
    pub fn decisions(&self) -> impl Iterator<Item = Decision<'_>> {
        Setting::ALL.iter().map(|setting| self.decide(*setting))
    }
}
