import * as smithy from '@smithy/node-http-handler'
import * as protocol from '@smithy/protocol-http'
import axios from 'axios'
import { got } from 'got'
import * as undici6 from 'undici6'
import * as undici7 from 'undici7'
import * as undici8 from 'undici8'
import { load } from './under-load.cjs'
import { waysOf } from './ways.cjs'

await load(waysOf({ axios, got, smithy, protocol, undici6, undici7, undici8 }))
