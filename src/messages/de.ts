// German.
import type { en } from "./en.ts";

export const de: Record<keyof typeof en, string> = {
  "units.needed": "noch {units, plural, one {#} other {#}}",

  "score.line": "{name}: {points, number} von {perfect, number} Punkten",
  "score.rank": "Platz {rank, number}",
  "score.versions": "Programmversion {programme}, Punktestand Version {score}",
  "score.pending": "neue Nachweise werden gerade gewertet",
  "score.merged": "{slug} wurde mit {name} ({into}) zusammengeführt; gezeigt wird {name}.",
  "score.sum": "{sum} = {points, plural, one {# Punkt} other {# Punkte}}",
  "score.unconfirmed":
    "davon {points, plural, one {# Punkt} other {# Punkte}} nicht bestätigt seit {since, date, weekday}",
  "replay.known-now": "Stand {at, date, instant}, nach heutigem Wissen",
  "replay.known-at": "Stand {at, date, instant}, nach dem Wissen vom {knownAt, date, instant}",
  "replay.version": "Programmversion {programme}",
  "replay.draft": "Programm aus {file}, nicht veröffentlicht",
  "replay.scored": "der Punktestand war damals {points, plural, one {# Punkt} other {# Punkte}}",

  "achievement.line": "{title}: {points, number} von {maximum, number} Punkten",
  "achievement.retired":
    "{key}: {points, plural, one {# Punkt} other {# Punkte}} nach einer älteren Version des Programms, bis neu gewertet ist",
  "adjustment.line": "Korrektur {id}: {points, plural, one {# Punkt} other {# Punkte}}",
  "adjustment.title": "Korrektur {id}",
  "adjustment.made": "{reason} ({by}, {at, date, long})",
  "adjustment.until": "Bis {until, date, instant}.",
  "evidence.none": "keine Nachweise",
  "evidence.more":
    "{count, plural, one {… und # weiterer (siehe --json)} other {… und # weitere (siehe --json)}}",
  "evidence.until": "bis {until}",
  "evidence.unconfirmed": "nicht bestätigt seit {since, date, weekday}",
  "evidence.before": "das Fenster davor",

  "units.unit": "{held, number, exact} {unit}",
  "units.label": "{label}: {held, number, exact}",
  "units.periods.week": "{held, plural, one {# Woche} other {# Wochen}}",
  "units.periods.month": "{held, plural, one {# Monat} other {# Monate}}",
  "units.periods.quarter": "{held, plural, one {# Quartal} other {# Quartale}}",
  "units.streak.week": "{held, plural, one {# Woche} other {# Wochen in Folge}}",
  "units.streak.month": "{held, plural, one {# Monat} other {# Monate in Folge}}",
  "units.streak.quarter": "{held, plural, one {# Quartal} other {# Quartale in Folge}}",
  "units.latest": "{label}: zuletzt {held, number, exact}",
  "units.growth": "{label}: {held, number, exact} % mehr als im Fenster davor",
  "units.of.unit": "{held, number, exact} von {target, number, exact} {unit}",
  "units.of.label": "{label}: {held, number, exact} von {target, number, exact}",
  "units.of.periods.week": "{held, number} von {target, plural, one {# Woche} other {# Wochen}}",
  "units.of.periods.month": "{held, number} von {target, plural, one {# Monat} other {# Monaten}}",
  "units.of.periods.quarter": "{held, number} von {target, plural, one {# Quartal} other {# Quartalen}}",
  "units.of.streak.week": "{held, number} von {target, plural, one {# Woche} other {# Wochen in Folge}}",
  "units.of.streak.month": "{held, number} von {target, plural, one {# Monat} other {# Monaten in Folge}}",
  "units.of.streak.quarter":
    "{held, number} von {target, plural, one {# Quartal} other {# Quartalen in Folge}}",
  "units.enough": "{target, plural, one {# genügt} other {# genügen}}",
  "units.more-than": "mehr als {target, number, exact} sind nötig",

  "step.nth":
    "{units, plural, one {# bringt} other {# bringen}} {gain, plural, one {# Punkt} other {# Punkte}}{again, select, yes { mehr} other {}}",
  "step.more":
    "{more, plural, one {# mehr bringt} other {# mehr bringen}} {gain, plural, one {# Punkt} other {# Punkte}}{again, select, yes { dazu} other {}}",
  "step.at":
    "{units, plural, one {# bringt} other {# bringen}} {gain, plural, one {# Punkt} other {# Punkte}}{again, select, yes { mehr} other {}}",
  "step.at-percent":
    "{units, number, exact} % bringen {gain, plural, one {# Punkt} other {# Punkte}}{again, select, yes { mehr} other {}}",
  "step.more-than":
    "mehr als {units, number, exact} bringen {gain, plural, one {# Punkt} other {# Punkte}}{again, select, yes { mehr} other {}}",
  "step.more-than-percent":
    "mehr als {units, number, exact} % bringen {gain, plural, one {# Punkt} other {# Punkte}}{again, select, yes { mehr} other {}}",

  "note.gates": "Keine Punkte, bis {titles} erreicht {count, plural, one {ist} other {sind}}.",
  "note.category":
    "„{category}“ gibt zusammen {cap, plural, one {# Punkt} other {# Punkte}}: {over, plural, =0 {sie sind erreicht} one {# Punkt darüber zählt hier nicht} other {# Punkte darüber zählen hier nicht}}.",
  "note.matures.day": "Zählt erst {amount, plural, one {# Tag} other {# Tage}}, nachdem es geschehen ist.",
  "note.matures.week":
    "Zählt erst {amount, plural, one {# Woche} other {# Wochen}}, nachdem es geschehen ist.",
  "note.maturing":
    "{count, plural, one {# Nachweis ist noch nicht alt genug und zählt} other {# Nachweise sind noch nicht alt genug; der erste zählt}} ab dem {from, date, long}.",
  "note.unconfirmed":
    "{points, plural, =0 {Ein Teil der Nachweise ist} one {# Punkt ist} other {# Punkte sind}} nicht bestätigt seit {since, date, weekday}.",

  "history.partner": "{name}: {points, plural, one {# Punkt} other {# Punkte}}",
  "history.before": "Davor: {points, plural, one {# Punkt} other {# Punkte}}",
  "history.none": "In dieser Zeit hat sich nichts geändert.",
  "cause.rules":
    "{change, select, added {Version {version} des Programms, in Kraft seit {from, date, instant}, hat diese Leistung} removed {Version {version} des Programms, in Kraft seit {from, date, instant}, hat diese Leistung nicht mehr} changed {Version {version} des Programms, in Kraft seit {from, date, instant}, hat eine andere Regel für diese Leistung} other {Version {version} des Programms, in Kraft seit {from, date, instant}}} (veröffentlicht von {by})",
  "cause.time": "Zeit verging",
  "cause.calendar": "Der Kalender ging weiter: {held, number, exact}, wo es {before, number, exact} waren",
  "cause.evidence":
    "Die Nachweise änderten sich{runs, select, none {} other { ({count, plural, one {Lauf} other {Läufe}} {runs})}}",
  "cause.appeared": "erschien",
  "cause.returned": "kam wieder",
  "cause.changed": "geändert: {fields}",
  "cause.vanished": "verschwunden",
  "cause.identified": "bekam seinen Partner durch eine Identität",
  "cause.unidentified": "verlor seinen Partner: Niemand ist unter seiner Identität bekannt",
  "cause.merged-in": "kam von {partner}",
  "cause.merged-out": "ging an {partner}",
  "cause.began": "begann",
  "cause.entered": "kam in das Fenster",
  "cause.matured": "jetzt alt genug",
  "cause.ended": "endete",
  "cause.left": "verließ das Fenster",
  "cause.became-before": "ging in das Fenster davor",
  "cause.adjustment.made": "Korrektur {id} von {by}: {reason}",
  "cause.adjustment.continued": "Korrektur {id} von {by}, die mit einem anderen Partner kam: {reason}",
  "cause.adjustment.ended": "Korrektur {id} von {by} endete: {reason}",
  "cause.adjustment.revoked": "Korrektur {id} von {by} wurde von {revokedBy} widerrufen: {reason}",
  "cause.adjustment.moved": "Korrektur {id} von {by} ging an einen anderen Partner: {reason}",
  "cause.delta": "{delta} davon",
  "cause.repair": "Die gespeicherten Punkte passten nicht zu den Nachweisen und wurden berichtigt",
  "cause.none":
    "Nichts Gespeichertes erklärt es (vermerkt durch: {mark}{run, select, none {} other {, Lauf {run}}})",
  "cause.partly":
    "Das Gespeicherte erklärt {delta} davon; für den Rest wurde nichts gefunden (vermerkt durch: {mark})",
  "forecast.heading": "{name}: jetzt {total} Punkte; bis {until}, wenn nichts Neues geschieht:",
  "forecast.calendar": "{name}: Punkte, die verfallen",
  "forecast.none": "Bis {until} ändert die Zeit nichts an den Punkten.",
  "forecast.lost": "{points, plural, one {# Punkt} other {# Punkte}} weniger: {title}",
  "forecast.gained": "{points, plural, one {# Punkt} other {# Punkte}} mehr: {title}",
  "forecast.total": "dann {total}",
  "forecast.more": "und {more} mehr",
  "forecast.ended": "Nicht mehr gültig: {what}",
  "forecast.left": "Nicht mehr im Zeitraum: {what}",
  "forecast.began": "Zählt von nun an: {what}",
  "forecast.period": "Ein Zeitabschnitt ist vorbei, und eine Serie zählt bis zu seinem Ende.",
  "forecast.rules": "Eine andere Leistung ändert sich, und eine Bedingung oder Kategorie hängt davon ab.",
  "forecast.programme": "Eine andere Fassung des Programms tritt in Kraft.",
  "forecast.adjustment": "Die Korrektur endet.",
  "win.none": "Kein Schritt bringt jetzt Punkte.",
  "win.brings": "{points, plural, one {# Punkt} other {# Punkte}} mehr: zusammen {total}",
  "win.brings-rank": "{points, plural, one {# Punkt} other {# Punkte}} mehr: zusammen {total}, Rang {rank}",
  "win.pieces": "noch {pieces}: {kind}",
  "win.quantity": "noch {quantity}: {kind}",
  "win.reading": "ein Messwert von {quantity}: {kind}",
  "win.anew":
    "{pieces, plural, one {mit neuem Wert für {attribute}} other {jeweils mit neuem Wert für {attribute}}}",
  "win.not-before": "ab {at}",
  "win.counts-from": "zählt ab {at}",
  "win.opens": "davon {points}: {title}",
  "win.blocked.gate": "zuerst nötig: {titles}",
  "win.blocked.category": "die Kategorie gibt schon alles, was sie geben kann",
  "win.blocked.window": "was von jetzt an geschieht, zählt nicht mehr",
  "win.blocked.values": "alles, was die Regel nennt, ist schon da",
  "win.blocked.before": "es gibt noch nichts, das wachsen könnte",
  "win.blocked.far": "zu weit weg für einen Schritt",
  "win.blocked.programme": "vorher treten andere Regeln in Kraft",
  "win.blocked.others": "es würde anderswo ebenso viel kosten",
};
