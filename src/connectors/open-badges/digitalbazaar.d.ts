// What is used of packages that come without types.
declare module "@digitalbazaar/vc" {
  type Loader = (url: string) => Promise<{ contextUrl: null; documentUrl: string; document: object }>;
  export const defaultDocumentLoader: Loader;
  export function verifyCredential(options: {
    credential: object;
    suite: unknown;
    documentLoader: Loader;
    now: Date;
    checkStatus: () => Promise<{ verified: boolean }>;
  }): Promise<{ verified: boolean; error?: unknown }>;
  export function issue(options: {
    credential: object;
    suite: unknown;
    documentLoader: Loader;
    now?: Date;
  }): Promise<Record<string, unknown>>;
}

declare module "@digitalbazaar/data-integrity" {
  export const DataIntegrityProof: new (options: {
    cryptosuite: unknown;
    signer?: unknown;
    date?: string;
  }) => object;
}

declare module "@digitalbazaar/eddsa-rdfc-2022-cryptosuite" {
  export const cryptosuite: unknown;
}

declare module "@digitalbazaar/ed25519-multikey" {
  interface KeyPair {
    id?: string;
    controller?: string;
    publicKeyMultibase: string;
    signer(): unknown;
    export(options: { publicKey: true; raw: true }): Promise<{ publicKey: Uint8Array }>;
    export(options: { publicKey: true; includeContext: true }): Promise<Record<string, unknown>>;
    export(options: { secretKey: true; raw: true }): Promise<{ secretKey: Uint8Array }>;
  }
  export function from(key: { type: "Multikey"; publicKeyMultibase: string }): Promise<KeyPair>;
  export function fromJwk(options: { jwk: object; id: string; controller: string }): Promise<KeyPair>;
  export function generate(options: { id?: string; controller?: string }): Promise<KeyPair>;
}
