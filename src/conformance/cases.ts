// Every case of the conformance suite (docs/connectors/conformance.md names them).
import type { Case } from "./bench.ts";
import { changeCases } from "./change-cases.ts";
import { listingCases } from "./listing-cases.ts";
import { requestCases } from "./request-cases.ts";

export const cases: Case[] = [...listingCases, ...changeCases, ...requestCases];
