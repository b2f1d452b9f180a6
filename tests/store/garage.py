"""A Garage of one node, its key and its bucket."""

import os
import re
import secrets
import signal
import socket
import subprocess
import time

import boto3
import botocore.config
import botocore.exceptions

BUCKET = "bucket"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Garage:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        os.makedirs(directory)
        self.port = free_port()
        self.config = os.path.join(directory, "garage.toml")
        with open(self.config, "w") as file:
            file.write(f"""
metadata_dir = "{directory}/meta"
data_dir = "{directory}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{free_port()}"
rpc_secret = "{secrets.token_hex(32)}"

[s3_api]
api_bind_addr = "127.0.0.1:{self.port}"
s3_region = "garage"
""")
        self.start()
        node = self.ask("node", "id", "-q").split("@")[0].strip()
        self.ask("layout", "assign", "-z", "here", "-c", "50G", node)
        self.ask("layout", "apply", "--version", "1")
        shown = self.ask("key", "create", "storno")
        self.key = re.search(r"Key ID:\s*(\S+)", shown).group(1)
        self.secret = re.search(r"Secret key:\s*(\S+)", shown).group(1)
        self.ask("bucket", "create", BUCKET)
        self.allow()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        with open(os.path.join(self.directory, "log"), "a") as log:
            self.process = subprocess.Popen([self.program, "-c", self.config, "server"], stdout=log, stderr=log)
        for _ in range(200):
            try:
                self.ask("status")
                return
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise SystemExit("the store does not start")

    def ask(self, *words):
        return subprocess.run([self.program, "-c", self.config, *words], check=True, capture_output=True, text=True).stdout

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def allow(self):
        self.ask("bucket", "allow", "--read", "--write", "--owner", BUCKET, "--key", "storno")

    def deny(self):
        self.ask("bucket", "deny", "--write", BUCKET, "--key", "storno")

    def limit(self, size):
        self.ask("bucket", "set-quotas", BUCKET, "--max-size", size)

    def client(self):
        config = botocore.config.Config(retries={"max_attempts": 10, "mode": "standard"})
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="garage", aws_access_key_id=self.key,
                            aws_secret_access_key=self.secret, config=config)

    def objects(self, prefix):
        """Sizes by name."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return {found["Key"]: found["Size"] for page in pages for found in page.get("Contents", [])}

    def read(self, name):
        try:
            return self.client().get_object(Bucket=BUCKET, Key=name)["Body"].read()
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise

    def uploads(self, prefix):
        found = self.client().list_multipart_uploads(Bucket=BUCKET, Prefix=prefix)
        return [upload["Key"] for upload in found.get("Uploads", [])]

    def remove(self, prefix):
        client = self.client()
        for name in self.objects(prefix):
            client.delete_object(Bucket=BUCKET, Key=name)
        for upload in client.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads", []):
            client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
