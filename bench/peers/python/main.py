"""The script that a Python programmer would write: csv, json and http.client, with a few
threads. It checks no number and finds no duplicate, keeps no ledger, and reads no ids out
of the answers."""

import argparse
import csv
import http.client
import json
import queue
import sys
import threading
import time
import urllib.parse
import uuid

PLAN = "b838b13c-f98c-4def-93f0-515d4e4f4ee1"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


def batches(path, each, end):
    batch = []
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            batch.append({
                "messageReference": str(uuid.uuid4()),
                "recipient": {"nhsNumber": row["nhs_number"].replace(" ", "")},
                "personalisation": {
                    "patient_first_name": row["given_name"],
                    "appointment": f"{row['appointment_date']} at {row['appointment_time']}, {row['clinic_name']}",
                },
            })
            if len(batch) == each:
                yield batch
                batch = []
                if time.monotonic() > end:
                    return
    if batch:
        yield batch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--file")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--in-flight", type=int)
    parser.add_argument("--seconds", type=float, default=0)
    options = parser.parse_args()
    url = urllib.parse.urlsplit(options.url)
    end = time.monotonic() + options.seconds if options.seconds > 0 else float("inf")
    waiting = queue.Queue(2 * options.in_flight)
    sent, failed = [], []

    def work():
        connection = http.client.HTTPConnection(url.hostname, url.port)
        while (batch := waiting.get()) is not None:
            if failed:
                continue
            try:
                body = json.dumps({"data": {"type": "MessageBatch", "attributes": {
                    "routingPlanId": PLAN, "messageBatchReference": str(uuid.uuid4()), "messages": batch,
                }}}).encode()
                connection.request("POST", url.path, body, HEADERS)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 201:
                    raise RuntimeError(f"the service answered {answer.status}")
                sent.append(len(batch))
            except Exception as e:
                failed.append(e)

    threads = [threading.Thread(target=work) for _ in range(options.in_flight)]
    for thread in threads:
        thread.start()
    for batch in batches(options.file, options.batch, end):
        waiting.put(batch)
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(str(failed[0]))
    print(json.dumps({"sent": sum(sent)}))


main()
