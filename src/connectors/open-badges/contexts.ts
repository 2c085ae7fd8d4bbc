// The JSON-LD contexts a proof may be over. Which term stands for what is part of what was signed, so a context that came from
// the network could change the meaning of every badge: these are all there are, and nothing is ever fetched for one.
//
// Those of W3C come with the libraries. Those of Open Badges 3.0 (https://www.imsglobal.org/spec/ob/v3p0/) are written here as
// a table of their terms: name=iri^type@container, where an IRI is that of the name in the vocabulary, and "s:" is schema.org.
import { defaultDocumentLoader } from "@digitalbazaar/vc";

const VOCABULARY = "https://purl.imsglobal.org/spec/vc/ob/vocab.html#";
const SCHEMA = "https://schema.org/";
const XSD = "https://www.w3.org/2001/XMLSchema#";

/** The class's own IRI, where it is not that of its name, and its terms; without terms it has no scope of its own. */
const CLASSES: Record<string, string> = {
  OpenBadgeCredential: "",
  Achievement:
    "achievementType alignment@set creator creditsAvailable^float criteria=Criteria^@id fieldOfStudy humanCode " +
    "image^@id otherIdentifier@set related@set resultDescription@set specialization tag=s:keywords@set version " +
    "inLanguage=s:inLanguage",
  AchievementSubject:
    "achievement activityEndDate^date activityStartDate^date creditsEarned^float identifier@set image^@id " +
    "licenseNumber result@set role source^@id term",
  Address:
    "addressCountry=s:addressCountry addressCountryCode=CountryCode addressLocality=s:addressLocality " +
    "addressRegion=s:addressRegion geo=GeoCoordinates postOfficeBoxNumber=s:postOfficeBoxNumber " +
    "postalCode=s:postalCode streetAddress=s:streetAddress",
  "Alignment=s:AlignmentObject":
    "targetCode targetDescription=s:targetDescription targetFramework=s:targetFramework targetName=s:targetName " +
    "targetType targetUrl=s:targetUrl^anyURI",
  Criteria: "",
  EndorsementCredential: "",
  EndorsementSubject: "endorsementComment",
  Evidence: "audience=s:audience genre=s:genre",
  GeoCoordinates: "latitude=s:latitude longitude=s:longitude",
  IdentifierEntry: "identifier identifierType",
  IdentityObject: "hashed^boolean identityHash identityType salt",
  Image: "caption=s:caption",
  Profile:
    "additionalName=s:additionalName address^@id dateOfBirth^date email=s:email familyName=s:familyName " +
    "familyNamePrefix givenName=s:givenName honorificPrefix=s:honorificPrefix honorificSuffix=s:honorificSuffix " +
    "image^@id otherIdentifier@set parentOrg^@id patronymicName phone official",
  Related: "version inLanguage=s:inLanguage",
  Result: "achievedLevel^anyURI resultDescription^anyURI status value=s:value",
  ResultDescription:
    "allowedValue@list requiredLevel^anyURI requiredValue resultType rubricCriterionLevel@set valueMax valueMin",
  RubricCriterionLevel: "level points",
};

const EVERYWHERE =
  "alignment@set description=s:description endorsement@set image^@id inLanguage=s:inLanguage name=s:name narrative url=s:url^anyURI";

/** What 3.0.3 changed. */
const BEFORE_3_0_3: [RegExp, string][] = [
  [/\bimage\^@id/g, "image=Image^@id"],
  [/^achievement /, "achievement=achievement-0 "],
  [/ ?\binLanguage=s:inLanguage/g, ""],
];

type Definition = Record<string, unknown>;

const KEYWORDS: Definition = { "@protected": true, id: "@id", type: "@type" };

function toDefinition(term: string): [string, Definition] {
  const [, name = "", iri = name, type, container] =
    /^(\w+)(?:=([\w:-]+))?(?:\^(@?\w+))?(@\w+)?$/.exec(term) ?? [];
  return [
    name,
    {
      "@id": iri.startsWith("s:") ? SCHEMA + iri.slice(2) : VOCABULARY + iri,
      ...(type !== undefined && { "@type": type.startsWith("@") ? type : XSD + type }),
      ...(container !== undefined && { "@container": container }),
    },
  ];
}

const toDefinitions = (terms: string): Definition =>
  Object.fromEntries(terms.split(" ").filter(Boolean).map(toDefinition));

function toContext(more: Definition, edit: (terms: string) => string): { "@context": Definition } {
  const classes = Object.entries(CLASSES).map(([head, terms]) => {
    const [name, definition] = toDefinition(head);
    const scope = terms === "" ? {} : { "@context": { ...KEYWORDS, ...toDefinitions(edit(terms)) } };
    return [name, { ...definition, ...scope }] as const;
  });
  return {
    "@context": {
      ...KEYWORDS,
      ...Object.fromEntries(classes),
      AchievementCredential: { "@id": "OpenBadgeCredential" },
      ...toDefinitions(edit(EVERYWHERE)),
      ...more,
    },
  };
}

/** As published: the prefix of the type is the one the context of W3C may define. */
const AWARDED = { awardedDate: { "@id": `${VOCABULARY}awardedDate`, "@type": "xsd:dateTime" } };

const OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/";

const bundled = new Map<string, object>([
  [
    `${OPEN_BADGES}context-3.0.2.json`,
    toContext({}, (terms) =>
      BEFORE_3_0_3.reduce((text, [pattern, other]) => text.replace(pattern, other), terms),
    ),
  ],
  [`${OPEN_BADGES}context-3.0.3.json`, toContext(AWARDED, (terms) => terms)],
  [
    `${OPEN_BADGES}extensions.json`,
    {
      "@context": {
        id: "@id",
        type: "@type",
        "1EdTechJsonSchemaValidator2019":
          "https://purl.imsglobal.org/spec/vccs/v1p0/context.json#1EdTechJsonSchemaValidator2019",
        "1EdTechRevocationList":
          "https://purl.imsglobal.org/spec/vcrl/v1p0/context.json#1EdTechRevocationList",
        "1EdTechCredentialRefresh":
          "https://purl.imsglobal.org/spec/vccr/v1p0/context.json#1EdTechCredentialRefresh",
      },
    },
  ],
]);

/** Besides the first version of the data model; the second has these terms itself. */
const DATA_INTEGRITY = "https://w3id.org/security/data-integrity/v2";

const CREDENTIALS_2 = "https://www.w3.org/ns/credentials/v2";
const CREDENTIALS = [CREDENTIALS_2, "https://www.w3.org/2018/credentials/v1"];

export function isBundled(context: unknown): boolean {
  return typeof context === "string" && [...bundled.keys(), ...CREDENTIALS, DATA_INTEGRITY].includes(context);
}

export interface LoadedDocument {
  contextUrl: null;
  documentUrl: string;
  document: object;
}

/** What JSON-LD is read with: the bundled contexts and `more`; everything else is an error. */
export function toLoader(more: Map<string, object>): (url: string) => Promise<LoadedDocument> {
  return async (url) => {
    const document = more.get(url) ?? bundled.get(url);
    if (document !== undefined) return { contextUrl: null, documentUrl: url, document };
    if (url === DATA_INTEGRITY) {
      return { contextUrl: null, documentUrl: url, document: await readDataIntegrity() };
    }
    // Knows the contexts of W3C, and throws for every other address: it does not fetch.
    return defaultDocumentLoader(url);
  };
}

/** The same definitions as in the second version of the data model. */
async function readDataIntegrity(): Promise<object> {
  const { document } = await defaultDocumentLoader(CREDENTIALS_2);
  const { DataIntegrityProof } = (document as { "@context": Definition })["@context"];
  const proof = { "@id": "https://w3id.org/security#proof", "@type": "@id", "@container": "@graph" };
  return { "@context": { ...KEYWORDS, proof, DataIntegrityProof } };
}
