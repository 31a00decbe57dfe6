import { MAX_MS } from '../core/check/check.ts'

/** Units of `grpc-timeout` in ms. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
}

/**
 * How long a call may take, from the header that the server reads. No retry begins after that.
 * @returns in ms, at least 1; undefined: no limit, or one that is later than the option `deadlineMs` may be
 */
export function deadlineMsOf(header: Headers): number | undefined {
  const ms = grpcTimeoutMs(header.get('grpc-timeout')) ?? connectTimeoutMs(header.get('connect-timeout-ms'))
  return ms === undefined || ms > MAX_MS ? undefined : Math.max(1, Math.ceil(ms))
}

function grpcTimeoutMs(text: string | null): number | undefined {
  const { amount, unit } = /^(?<amount>\d{1,8})(?<unit>[HMSmun])$/.exec(text ?? '')?.groups ?? {}
  return unit === undefined ? undefined : Number(amount) * (UNITS_MS[unit] as number)
}

function connectTimeoutMs(text: string | null): number | undefined {
  return /^\d{1,10}$/.test(text ?? '') ? Number(text) : undefined
}
