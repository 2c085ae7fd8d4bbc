// The only HTTP client. (contract; see below)

export interface FetchRequest {
  url: string;
  method?: "GET" | "POST" | undefined;
  headers?: Record<string, string> | undefined;
  body?: string | undefined;
  /** What the body must be: HTML where data was expected is an error, never zero rows. */
  expect: "json" | "csv" | "text";
}

export interface FetchResponse {
  status: number;
  /** Lower-case names; repeated headers joined with ", ". */
  headers: Record<string, string>;
  /** Inflated and decoded as UTF-8. */
  text: string;
}

/** Throws SourceError for everything but a 2xx answer of the expected kind, unless `accept` says otherwise. */
export type Fetch = (request: FetchRequest & { accept?: (response: FetchResponse) => boolean }) => Promise<FetchResponse>;
