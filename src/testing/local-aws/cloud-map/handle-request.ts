import type { Registry } from '../registry.ts'
import { AwsError } from './aws-error.ts'
import { discoverOperations } from './discover-operations.ts'
import { faultError, type CloudMapAnswer } from './faults.ts'
import { parseInput, type Handler, type Input } from './input.ts'
import { instanceOperations } from './instance-operations.ts'
import { namespaceOperations } from './namespace-operations.ts'
import { serviceOperations } from './service-operations.ts'

const OPERATIONS: ReadonlyMap<string, Handler> = new Map(
  Object.entries({
    ...discoverOperations,
    ...instanceOperations,
    ...namespaceOperations,
    ...serviceOperations,
  }),
)
/** A response of the API: an `AwsError` as the body, unless the status is 200. */
export interface ApiResponse {
  readonly status: number
  readonly body: object
}

/** Carries out one request, unless a fault prevents that. */
export function handleRequest(
  registry: Registry,
  operation: string,
  body: string,
  fault: CloudMapAnswer,
): ApiResponse {
  try {
    const input = parseInput(body)
    const error = faultError(fault, operation, registry.accountId, resourceOf(registry, input))
    if (error !== undefined) throw error
    const handler = OPERATIONS.get(operation)
    if (handler === undefined) throw new AwsError('UnknownOperationException', `no operation ${operation}`)
    return { status: 200, body: handler(registry, input) }
  } catch (error) {
    const known = error instanceof AwsError ? error : new AwsError('InternalFailure', String(error), 500)
    return { status: known.status, body: known }
  }
}

/** ARN of the service that a request is for, if it is there. */
function resourceOf(registry: Registry, { ServiceId, Id }: Input): string | undefined {
  const id = ServiceId ?? Id
  return registry.services.find((service) => service.id === id || service.arn === id)?.arn
}
