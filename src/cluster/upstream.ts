import type { Endpoint } from '../discovery/endpoint.ts'

/** An endpoint with the live state that calls gave it. Survives snapshots: the same object as long as it stays. */
export class Upstream {
  readonly endpoint: Endpoint

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
  }
}
