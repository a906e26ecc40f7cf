// node client.mjs <JOB: makes calls with the client core of the official Node.js SDK, and prints what it returned.
//
// JOB is a JSON object: endpoint, access_key, secret_key, project_id, calls, and optionally clock, the milliseconds by
// which the clock of the client is off. A call has the members that generated clients pass to sendRequest (method, url,
// pathParams, queryParams, data, headers). Optionally, it also has `sent`, a configuration of axios that replaces parts
// of the request after it was signed, and `headers_sent`, headers that are then replaced, or left out if null. The
// output is a JSON array with one object for each call: the status, and the data or the error. Bytes are in base64.
import { readFileSync } from "node:fs";
import core from "@huaweicloud/huaweicloud-sdk-core";
import builder from "@huaweicloud/huaweicloud-sdk-core/ClientBuilder.js";

const job = JSON.parse(readFileSync(0, "utf8"));

if (job.clock) {
    const now = Date.now.bind(Date);

    Date.now = () => now() + job.clock;
}

const credentials = new core.BasicCredentials()
    .withAk(job.access_key)
    .withSk(job.secret_key)
    .withProjectId(job.project_id);
const client = new builder.ClientBuilder((hcClient) => hcClient)
    .withCredential(credentials)
    .withEndpoint(job.endpoint)
    .build();

function result(response) {
    const { httpStatusCode, ...data } = response;

    if (Buffer.isBuffer(response))
        return { status: httpStatusCode, bytes: Buffer.from(response).toString("base64") };
    return { status: httpStatusCode, data };
}

function failure(error) {
    return {
        status: error.httpStatusCode, error: error.constructor.name, error_code: error.errorCode,
        error_msg: error.errorMsg, request_id: error.requestId,
    };
}

// Changes headers when axios sends them, which is after the signature.
function change(changes) {
    return (data, headers) => {
        for (const [name, value] of Object.entries(changes))
            headers.set(name, value === null ? undefined : value);
        return data === undefined || typeof data === "string" ? data : JSON.stringify(data);
    };
}

async function call({ sent, headers_sent, ...options }) {
    const request = { contentType: "application/json", queryParams: {}, pathParams: {}, headers: {}, ...options };

    if (sent || headers_sent)
        request.axiosRequestConfig = { ...sent };
    if (headers_sent)
        request.axiosRequestConfig.transformRequest = change(headers_sent);
    try {
        return result(await client.sendRequest(request));
    } catch (error) {
        return failure(error);
    }
}

const results = [];

for (const options of job.calls)
    results.push(await call(options));
process.stdout.write(JSON.stringify(results));
