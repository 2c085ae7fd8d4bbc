// English. The keys of this catalogue are those of every other.
export const en = {
  "units.needed": "{units, plural, one {# more} other {# more}}",

  "score.line": "{name}: {points, number} of {perfect, number} points",
  "score.rank": "rank {rank, number}",
  "score.versions": "Programme version {programme}, score version {score}",
  "score.pending": "new evidence is being scored",
  "score.merged": "{slug} was merged into {name} ({into}), which is shown.",
  "score.sum": "{sum} = {points, plural, one {# point} other {# points}}",
  "score.unconfirmed":
    "of which {points, plural, one {# point} other {# points}} not confirmed since {since, date, weekday}",
  "replay.known-now": "As of {at, date, instant}, as known now",
  "replay.known-at": "As of {at, date, instant}, as known on {knownAt, date, instant}",
  "replay.version": "Programme version {programme}",
  "replay.draft": "Programme of {file}, which is not published",
  "replay.scored": "the score then was {points, plural, one {# point} other {# points}}",

  "achievement.line": "{title}: {points, number} of {maximum, number} points",
  "achievement.retired":
    "{key}: {points, plural, one {# point} other {# points}} under an older version of the programme, until it is scored again",
  "adjustment.line": "Adjustment {id}: {points, plural, one {# point} other {# points}}",
  "adjustment.title": "Adjustment {id}",
  "adjustment.made": "{reason} ({by}, {at, date, long})",
  "adjustment.until": "Until {until, date, instant}.",
  "evidence.none": "no evidence",
  "evidence.more":
    "{count, plural, one {… and # more (--json shows it)} other {… and # more (--json shows them)}}",
  "evidence.until": "until {until}",
  "evidence.unconfirmed": "not confirmed since {since, date, weekday}",
  "evidence.before": "the window before",

  "units.unit": "{held, number, exact} {unit}",
  "units.label": "{label}: {held, number, exact}",
  "units.periods.week": "{held, plural, one {# week} other {# weeks}}",
  "units.periods.month": "{held, plural, one {# month} other {# months}}",
  "units.periods.quarter": "{held, plural, one {# quarter} other {# quarters}}",
  "units.streak.week": "{held, plural, one {# week} other {# weeks in a row}}",
  "units.streak.month": "{held, plural, one {# month} other {# months in a row}}",
  "units.streak.quarter": "{held, plural, one {# quarter} other {# quarters in a row}}",
  "units.latest": "{label}: {held, number, exact} at the latest",
  "units.growth": "{label}: {held, number, exact} % more than in the window before",
  "units.of.unit": "{held, number, exact} of {target, number, exact} {unit}",
  "units.of.label": "{label}: {held, number, exact} of {target, number, exact}",
  "units.of.periods.week": "{held, number} of {target, plural, one {# week} other {# weeks}}",
  "units.of.periods.month": "{held, number} of {target, plural, one {# month} other {# months}}",
  "units.of.periods.quarter": "{held, number} of {target, plural, one {# quarter} other {# quarters}}",
  "units.of.streak.week": "{held, number} of {target, plural, one {# week} other {# weeks in a row}}",
  "units.of.streak.month": "{held, number} of {target, plural, one {# month} other {# months in a row}}",
  "units.of.streak.quarter":
    "{held, number} of {target, plural, one {# quarter} other {# quarters in a row}}",
  "units.enough": "{target, plural, one {# is} other {# are}} enough",
  "units.more-than": "more than {target, number, exact} are needed",

  "step.nth":
    "the {units, selectordinal, =1 {first} =2 {second} =3 {third} =4 {fourth} =5 {fifth} =6 {sixth} one {#st} two {#nd} few {#rd} other {#th}} brings {gain, plural, one {# point} other {# points}}{again, select, yes { more} other {}}",
  "step.more":
    "{more, plural, one {# more brings} other {# more bring}} {gain, plural, one {# point} other {# points}}{again, select, yes { more} other {}}",
  "step.at":
    "{units, plural, one {# brings} other {# bring}} {gain, plural, one {# point} other {# points}}{again, select, yes { more} other {}}",
  "step.at-percent":
    "{units, number, exact} % bring {gain, plural, one {# point} other {# points}}{again, select, yes { more} other {}}",
  "step.more-than":
    "more than {units, number, exact} bring {gain, plural, one {# point} other {# points}}{again, select, yes { more} other {}}",
  "step.more-than-percent":
    "more than {units, number, exact} % bring {gain, plural, one {# point} other {# points}}{again, select, yes { more} other {}}",

  "note.gates": "No points until {titles} {count, plural, one {has} other {have}} been reached.",
  "note.category":
    "“{category}” gives {cap, plural, one {# point} other {# points}} in all: {over, plural, =0 {they are reached} one {# point more is not counted here} other {# points more are not counted here}}.",
  "note.matures.day": "Counts only {amount, plural, one {# day} other {# days}} after it happened.",
  "note.matures.week": "Counts only {amount, plural, one {# week} other {# weeks}} after it happened.",
  "note.maturing":
    "{count, plural, one {# piece of evidence is not old enough yet and counts} other {# pieces of evidence are not old enough yet; the first counts}} from {from, date, long}.",
  "note.unconfirmed":
    "{points, plural, =0 {Some evidence is} one {# point is} other {# points are}} not confirmed since {since, date, weekday}.",

  "history.partner": "{name}: {points, plural, one {# point} other {# points}}",
  "history.before": "Before: {points, plural, one {# point} other {# points}}",
  "history.none": "Nothing has changed in this time.",
  "cause.rules":
    "{change, select, added {Version {version} of the programme, in force since {from, date, instant}, has this achievement} removed {Version {version} of the programme, in force since {from, date, instant}, has this achievement no more} changed {Version {version} of the programme, in force since {from, date, instant}, has another rule for this achievement} other {Version {version} of the programme, in force since {from, date, instant}}} (published by {by})",
  "cause.time": "Time passed",
  "cause.calendar": "The calendar moved on: {held, number, exact} where there were {before, number, exact}",
  "cause.evidence": "Evidence changed{run, select, none {} other { (run {run})}}",
  "cause.appeared": "appeared",
  "cause.returned": "came back",
  "cause.changed": "changed: {fields}",
  "cause.vanished": "gone",
  "cause.identified": "got its partner by an identity",
  "cause.merged-in": "came from {partner}",
  "cause.merged-out": "went to {partner}",
  "cause.began": "began",
  "cause.entered": "came into the window",
  "cause.matured": "old enough now",
  "cause.ended": "ended",
  "cause.left": "left the window",
  "cause.became-before": "went into the window before",
  "cause.adjustment.made": "Adjustment {id} by {by}: {reason}",
  "cause.adjustment.continued": "Adjustment {id} by {by}, which came with another partner: {reason}",
  "cause.adjustment.ended": "Adjustment {id} by {by} ended: {reason}",
  "cause.adjustment.revoked": "Adjustment {id} by {by} was revoked by {revokedBy}: {reason}",
  "cause.adjustment.moved": "Adjustment {id} by {by} went to another partner: {reason}",
  "cause.delta": "{delta} of it",
  "cause.repair": "The stored points did not agree with the evidence, and were set right",
  "cause.none":
    "Nothing that is stored explains it (marked by: {mark}{run, select, none {} other {, run {run}}})",
  "cause.partly": "What is stored explains {delta} of it; for the rest nothing was found (marked by: {mark})",
};
