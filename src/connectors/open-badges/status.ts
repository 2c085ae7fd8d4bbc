// Whether the issuer of a badge of version 3.0 took it back: by a Bitstring Status List (https://www.w3.org/TR/vc-bitstring-status-list/),
// which the issuer signs, or by a list of 1EdTech, which it does not sign and so must be below its address.
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { type Credential, verifyCredentialDocument, verifyCredentialToken } from "./credentials.ts";
import { listOf, readIssuerJson, readPart, whereOf } from "./documents.ts";
import { isOfIssuer, type Trust } from "./issuers.ts";
import { BadgeRefusal, refused } from "./refusal.ts";
import { readToken } from "./signatures.ts";

/** 128 million badges. */
const MOST_BYTES = 16 * 2 ** 20;
const PURPOSES = ["revocation", "suspension"];

const entrySchema = z.looseObject({
  statusPurpose: z.string(),
  statusListIndex: z.union([z.string().regex(/^\d{1,9}$/), z.int().min(0)]).transform(Number),
  statusListCredential: z.string(),
  statusSize: z.literal(1).optional(),
});

const bitstringSchema = z.looseObject({
  type: z.literal("BitstringStatusList"),
  statusPurpose: z.union([z.string(), z.array(z.string())]),
  encodedList: z.string().startsWith("u"),
});

const revocationsSchema = z
  .looseObject({
    issuer: z.string().optional(),
    revokedCredential: z.array(z.unknown()).optional(),
    revokedCredentials: z.array(z.unknown()).optional(),
  })
  .refine(
    ({ revokedCredential, revokedCredentials }) => (revokedCredential ?? revokedCredentials) !== undefined,
    {
      message: "expected a list of revoked credentials",
    },
  );

/** One that was verified and unpacked. */
interface StatusList {
  issuer: string;
  purposes: string[];
  bits: Buffer;
}

export interface StatusTrust extends Trust {
  now: Date;
  /** Those of one pull, by their address: each is verified and unpacked once. */
  statusLists: Map<string, Promise<StatusList>>;
}

/**
 * Throws a BadgeRefusal where the status is of a kind that cannot be checked, a SourceError where its list cannot be had or is not
 * to be believed: then nothing is known of any badge on it.
 */
export async function isRevoked(credential: Credential, trust: StatusTrust): Promise<boolean> {
  for (const status of credential.status) {
    const types = listOf(status["type"]);
    if (types.includes("BitstringStatusListEntry")) {
      if (await hasBit(status, credential, trust)) return true;
    } else if (types.includes("1EdTechRevocationList")) {
      if (await isListed(status, credential, trust)) return true;
    } else {
      throw refused("it can be revoked in a way that cannot be checked");
    }
  }
  return false;
}

async function hasBit(
  status: Record<string, unknown>,
  credential: Credential,
  trust: StatusTrust,
): Promise<boolean> {
  const { statusPurpose, statusListIndex, statusListCredential } = readPart(status, entrySchema);
  if (!PURPOSES.includes(statusPurpose)) return false;
  const reading = trust.statusLists.get(statusListCredential) ?? readStatusList(statusListCredential, trust);
  trust.statusLists.set(statusListCredential, reading);
  const list = await reading;
  if (list.issuer !== credential.issuer.id) throw refused("the list of its status is of another issuer");
  if (!list.purposes.includes(statusPurpose)) throw refused("the list of its status is for another purpose");
  const byte = list.bits[Math.floor(statusListIndex / 8)];
  if (byte === undefined) throw refused("the list of its status ends before its place");
  return ((byte >> (7 - (statusListIndex % 8))) & 1) === 1;
}

async function readStatusList(address: string, trust: StatusTrust): Promise<StatusList> {
  const where = `the status list ${whereOf(address)}`;
  try {
    const text = await trust.documents.readOfIssuer(address);
    const token = readToken(text);
    const credential =
      token === undefined
        ? await verifyCredentialDocument(
            await readIssuerJson(trust.documents, address, z.record(z.string(), z.unknown())),
            trust,
          )
        : await verifyCredentialToken(token, trust);
    if (credential.id !== address || !credential.types.includes("BitstringStatusListCredential")) {
      throw refused("it is none");
    }
    // An old list says nothing of what was revoked since.
    if (credential.validUntil !== undefined && !(Date.parse(credential.validUntil) > trust.now.getTime())) {
      throw refused("it is out of date");
    }
    const { statusPurpose, encodedList } = readPart(listOf(credential.subject)[0], bitstringSchema);
    const bits = await unpack(encodedList.slice(1));
    return { issuer: credential.issuer.id, purposes: listOf(statusPurpose), bits };
  } catch (error) {
    if (!(error instanceof BadgeRefusal)) throw error;
    throw new SourceError("data", `${where} cannot be believed: ${error.message}`);
  }
}

async function unpack(encoded: string): Promise<Buffer> {
  try {
    return await promisify(gunzip)(Buffer.from(encoded, "base64url"), { maxOutputLength: MOST_BYTES });
  } catch {
    throw refused("it is garbled or too large");
  }
}

async function isListed(
  status: Record<string, unknown>,
  { id, issuer }: Credential,
  { documents }: Trust,
): Promise<boolean> {
  const { id: address } = readPart(status, z.looseObject({ id: z.string() }));
  if (!isOfIssuer(address, issuer))
    throw refused("its revocation list is not below the address of its issuer");
  const list = await readIssuerJson(documents, address, revocationsSchema);
  if (list.issuer !== undefined && list.issuer !== issuer.id) {
    throw new SourceError("data", `${whereOf(address)} is the revocation list of another issuer`);
  }
  return [...(list.revokedCredential ?? []), ...(list.revokedCredentials ?? [])].some((entry) => {
    if (typeof entry === "string") return entry === id;
    const named = entry as { id?: unknown; revoked?: unknown } | null;
    return named?.id === id && named.revoked !== false;
  });
}
