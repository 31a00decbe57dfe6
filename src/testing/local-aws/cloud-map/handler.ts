import type { Input } from './input.ts'
import type { Registry } from '../registry.ts'

/**
 * One operation of the API: what it answers, as the JSON that AWS sends.
 * @throws AwsError
 */
export type Handler = (registry: Registry, input: Input) => object
