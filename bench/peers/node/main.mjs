// The script that a Node programmer would write: lines of the file, JSON.stringify, and
// undici's pool where it is installed (the client of node:http where it is not). It checks
// no number and finds no duplicate, keeps no ledger, and reads no ids out of the answers.
// A field in quotes may go over several lines.
import {createReadStream} from 'node:fs'
import {createInterface} from 'node:readline'
import {randomUUID} from 'node:crypto'
import http from 'node:http'

const options = Object.fromEntries(process.argv.slice(2).map(a => a.replace(/^--?/, '').split(/=(.*)/s)))
const url = new URL(options.url)
const each = Number(options.batch)
const inFlight = Number(options['in-flight'])
const end = Number(options.seconds) > 0 ? Date.now() + Number(options.seconds) * 1000 : Infinity
const headers = {'Content-Type': 'application/json', Accept: 'application/json'}

const post = await client()

async function client () {
  try {
    const {Pool} = await import('undici')
    const pool = new Pool(url.origin, {connections: inFlight})
    return async body => {
      const answer = await pool.request({path: url.pathname, method: 'POST', headers, body})
      await answer.body.dump()
      return answer.statusCode
    }
  } catch (e) {
    if (e.code !== 'ERR_MODULE_NOT_FOUND') throw e
    const agent = new http.Agent({keepAlive: true, maxSockets: inFlight})
    return body => new Promise((resolve, reject) => {
      const request = http.request(url, {method: 'POST', agent, headers: {...headers, 'Content-Length': Buffer.byteLength(body)}}, answer => {
        answer.on('error', reject).on('end', () => resolve(answer.statusCode)).resume()
      })
      request.on('error', reject)
      request.end(body)
    })
  }
}

// fields cuts a record at its commas; null while a quote is open.
function fields (line) {
  if (!line.includes('"')) return line.split(',')
  const out = []
  let field = ''
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const c = line[i]
    if (quoted) {
      if (c !== '"') field += c
      else if (line[i + 1] === '"') { field += '"'; i++ } else quoted = false
    } else if (c === '"') quoted = true
    else if (c === ',') { out.push(field); field = '' } else field += c
  }
  if (quoted) return null
  out.push(field)
  return out
}

let sent = 0
let failed
const underWay = new Set()
async function dispatch (messages) {
  while (underWay.size >= inFlight) await Promise.race(underWay)
  const body = JSON.stringify({data: {type: 'MessageBatch', attributes: {
    routingPlanId: 'b838b13c-f98c-4def-93f0-515d4e4f4ee1', messageBatchReference: randomUUID(), messages
  }}})
  const one = post(body).then(status => {
    if (status !== 201) throw new Error('the service answered ' + status)
    sent += messages.length
  }).catch(e => { failed = e }).finally(() => underWay.delete(one))
  underWay.add(one)
}

let header, open = ''
let batch = []
for await (const line of createInterface({input: createReadStream(options.file), crlfDelay: Infinity})) {
  const row = fields(open + line)
  if (row === null) { open += line + '\n'; continue }
  open = ''
  if (!header) { header = Object.fromEntries(row.map((name, i) => [name, i])); continue }
  batch.push({
    messageReference: randomUUID(),
    recipient: {nhsNumber: row[header.nhs_number].replaceAll(' ', '')},
    personalisation: {
      patient_first_name: row[header.given_name],
      appointment: `${row[header.appointment_date]} at ${row[header.appointment_time]}, ${row[header.clinic_name]}`
    }
  })
  if (batch.length === each) {
    await dispatch(batch)
    batch = []
    if (failed || Date.now() > end) break
  }
}
if (batch.length > 0) await dispatch(batch)
await Promise.all(underWay)
if (failed) {
  console.error(failed.message)
  process.exit(1)
}
console.log(JSON.stringify({sent}))
process.exit(0)
