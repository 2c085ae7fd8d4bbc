// Which addresses may be called. A source's URL comes from people and from other systems (redirects, paging links), so it
// must not reach into the network this process stands in: loopback, private ranges, a cloud's metadata service.
import { type LookupAddress, type LookupAllOptions, lookup as lookUp } from "node:dns";
import type { LookupFunction } from "node:net";
import ipaddr, { type IPv4, type IPv6 } from "ipaddr.js";
import { SourceError, UsageError } from "../../platform/errors.ts";

export interface Guard {
  /** Throws a SourceError (config) unless the URL is http(s), names no credential and no refused address. */
  check(url: URL): void;
  /**
   * Resolves a name and hands out the allowed addresses only, so what was checked is what is connected to. Needed
   * besides `check`: a name may resolve to anything. `check` is needed besides it: Node never looks up a literal.
   */
  lookup(port: number): LookupFunction;
}

interface Exception {
  name?: string | undefined;
  range?: [IPv4 | IPv6, number] | undefined;
  port?: number | undefined;
}

/** As node:dns.lookup with `all`. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A guard that refuses every address outside the public unicast ranges, except `allowPrivate`: hosts ("intranet"),
 * host:port pairs ("127.0.0.1:8080", "[::1]:8080") or CIDR ranges ("10.0.0.0/8"). Throws a UsageError for anything else.
 * `resolve`: who knows what names stand for, the system's resolver where none is given.
 */
export function toGuard(allowPrivate: string[], resolve: Resolve = lookUp): Guard {
  const exceptions = allowPrivate.map(toException);
  const isAllowed = (host: string, port: number, address?: string): boolean => {
    const parsed = address === undefined ? undefined : ipaddr.process(address);
    if (parsed !== undefined && isPublic(parsed)) return true;
    return exceptions.some(
      (exception) =>
        (exception.port === undefined || exception.port === port) &&
        (exception.name === host || (parsed !== undefined && contains(exception.range, parsed))),
    );
  };
  return {
    check(url) {
      if (url.protocol !== "https:" && url.protocol !== "http:") {
        throw new SourceError("config", `${url.protocol} addresses cannot be pulled, only http and https`);
      }
      if (url.username !== "" || url.password !== "") {
        throw new SourceError(
          "config",
          `${url.host}: the credential belongs to the connection, not into the URL`,
        );
      }
      // The WHATWG parser has already turned 2130706433, 0x7f.1 and 127.1 into 127.0.0.1.
      const host = url.hostname.replace(/^\[|\]$/g, "");
      if (ipaddr.isValid(host) && !isAllowed(host, portOf(url), host)) throw refused(url.host, [host]);
    },
    lookup: (port) => (hostname, options, callback) => {
      resolve(hostname, { ...options, all: true }, (error, addresses) => {
        const allowed = (error === null ? addresses : []).filter(({ address }) =>
          isAllowed(hostname, port, address),
        );
        const [first] = allowed;
        if (first === undefined) callback(error ?? refused(hostname, addressesOf(addresses)), "");
        else if (options.all === true) callback(null, allowed);
        else callback(null, first.address, first.family);
      });
    },
  };
}

/** IPv4-mapped addresses must have been turned into IPv4 (`ipaddr.process`). */
function isPublic(address: IPv4 | IPv6): boolean {
  if (address.range() !== "unicast") return false;
  // What ipaddr.js calls unicast outside 2000::/3 (IPv4-compatible ::7f00:1, unassigned space) is not a public host.
  return address.kind() === "ipv4" || (address as IPv6).match(ipaddr.IPv6.parse("2000::"), 3);
}

function contains(range: Exception["range"], address: IPv4 | IPv6): boolean {
  return range !== undefined && range[0].kind() === address.kind() && address.match(range);
}

function toException(text: string): Exception {
  if (ipaddr.isValidCIDR(text)) return { range: ipaddr.parseCIDR(text) };
  const [, host = "", port] = /^(\[[^\]]+\]|[^:/@?#\s]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const hostname = parseUrl(`http://${host}`)?.hostname.replace(/^\[|\]$/g, "");
  if (host === "" || hostname === undefined) {
    throw new UsageError(`allow-private: "${text}" is not a host, host:port or CIDR range`);
  }
  const address = ipaddr.isValid(hostname) ? ipaddr.process(hostname) : undefined;
  return {
    name: address === undefined ? hostname : undefined,
    range: address === undefined ? undefined : [address, address.kind() === "ipv4" ? 32 : 128],
    port: port === undefined ? undefined : Number(port),
  };
}

/** URL.parse, which Node 20 does not have. */
export function parseUrl(text: string, base?: URL): URL | undefined {
  return URL.canParse(text, base?.href) ? new URL(text, base) : undefined;
}

/** The port a URL is connected at. */
export function portOf(url: { protocol: string; port: string }): number {
  return url.port === "" || url.port === "0" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
}

function addressesOf(found: LookupAddress[]): string[] {
  return found.map(({ address }) => address);
}

/** Why an address is not a public host, in words: ipaddr.js's name of its range. */
const RANGES: Record<string, string> = {
  unspecified: "this host itself",
  loopback: "loopback",
  private: "a private network",
  linkLocal: "link-local, where clouds keep their metadata",
  carrierGradeNat: "a provider's inner network",
  uniqueLocal: "a private network",
  deprecatedSiteLocal: "a private network",
  multicast: "multicast",
  broadcast: "broadcast",
  rfc6052: "IPv4 behind NAT64",
  rfc6145: "IPv4 behind a translator",
  "6to4": "IPv4 behind 6to4",
  teredo: "IPv4 behind Teredo",
};

function refused(host: string, addresses: string[]): SourceError {
  const ranges = addresses.map((address) => RANGES[ipaddr.process(address).range()] ?? "a reserved range");
  return new SourceError(
    "config",
    `${host} is not a public address (${[...new Set(ranges)].join(", ")}); add it to allow-private in sources.yaml if it is meant`,
  );
}
