BEGIN TRANSACTION;
CREATE TABLE action_items (
	postmortem TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	due TEXT NOT NULL, 
	CONSTRAINT pk_action_items PRIMARY KEY (postmortem, position), 
	CONSTRAINT fk_action_items_postmortem FOREIGN KEY(postmortem) REFERENCES postmortems (id)
);
CREATE TABLE agent_runs (
	id TEXT NOT NULL, 
	place TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	thread_ts TEXT, 
	"trigger" TEXT NOT NULL, 
	question TEXT NOT NULL, 
	asked_by TEXT, 
	status TEXT NOT NULL, 
	started_at DATETIME NOT NULL, 
	owner TEXT NOT NULL, 
	heartbeat_at DATETIME, 
	stop_requested_at DATETIME, 
	stream_ts TEXT, 
	answer TEXT, 
	finding TEXT, 
	model TEXT NOT NULL, 
	CONSTRAINT pk_agent_runs PRIMARY KEY (id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002_config_versions');
CREATE TABLE alerts (
	fingerprint TEXT NOT NULL, 
	starts_at DATETIME NOT NULL, 
	ends_at DATETIME, 
	status TEXT NOT NULL, 
	service TEXT NOT NULL, 
	finding TEXT, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_alerts PRIMARY KEY (fingerprint, starts_at)
);
CREATE TABLE anomalies (
	id TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	service TEXT NOT NULL, 
	category TEXT NOT NULL, 
	metric TEXT NOT NULL, 
	severity TEXT NOT NULL, 
	active BOOLEAN NOT NULL, 
	state TEXT NOT NULL, 
	state_body TEXT NOT NULL, 
	started_at DATETIME NOT NULL, 
	latest_at DATETIME NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_anomalies PRIMARY KEY (id)
);
CREATE TABLE api_tokens (
	id TEXT NOT NULL, 
	user TEXT NOT NULL, 
	name TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	revoked_at DATETIME, 
	CONSTRAINT pk_api_tokens PRIMARY KEY (id), 
	CONSTRAINT uq_api_tokens_sha256 UNIQUE (sha256)
);
INSERT INTO "api_tokens" VALUES('TOK-000001','UADA','alertmanager','731eeee985bdd5151436ec51c96befb6abaf3ae8b7da4e10d320cb6ff802dafb','2026-11-20 12:20:02.000000',NULL);
INSERT INTO "api_tokens" VALUES('TOK-000002','UANN','dashboard','eaf261e40a4bd0096802aca74da67989df73a75d089685180c95678fff6811c9','2026-11-20 12:20:02.000000',NULL);
INSERT INTO "api_tokens" VALUES('TOK-000003','UBOB','lost','4874c96fb74ec8b529605712238e3650872b0806f1d96111c5df10d271dd1042','2026-11-20 12:20:02.000000','2026-11-20 12:20:02.000000');
CREATE TABLE approvals (
	plan_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_approvals PRIMARY KEY (plan_id), 
	CONSTRAINT fk_approvals_plan_id FOREIGN KEY(plan_id) REFERENCES plans (id)
);
INSERT INTO "approvals" VALUES('PLAN-8055cbab','Pending','{"plan_id":"PLAN-8055cbab","digest":"5c8d1e6c858718c30dfe69a07f713cdf7525bb31a6edacf0282be90de1d75bba","needed":2,"expires_at":"2126-10-27T12:00:00Z","answers":[{"by":"UANN","at":"2026-11-20T12:00:00Z","digest":"5c8d1e6c858718c30dfe69a07f713cdf7525bb31a6edacf0282be90de1d75bba"}]}');
INSERT INTO "approvals" VALUES('PLAN-95baf9fa','Pending','{"plan_id":"PLAN-95baf9fa","digest":"e5b3b5d0be0573cf17d7481332df0dd9878bfa8654fefbb44a9dbf46799890c4","needed":1,"expires_at":"2126-10-27T12:00:00Z","answers":[]}');
INSERT INTO "approvals" VALUES('PLAN-96f831fd','Approved','{"plan_id":"PLAN-96f831fd","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","answers":[{"by":"UANN","at":"2026-11-20T12:00:00Z","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968"}],"at":"2026-11-20T12:00:00Z","glass":""}');
INSERT INTO "approvals" VALUES('PLAN-0d4542bd','Approved','{"plan_id":"PLAN-0d4542bd","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","answers":[{"by":"UANN","at":"2026-11-20T12:10:01Z","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c"}],"at":"2026-11-20T12:10:01Z","glass":""}');
INSERT INTO "approvals" VALUES('PLAN-ad34f458','Approved','{"plan_id":"PLAN-ad34f458","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","answers":[{"by":"UBOB","at":"2026-11-20T12:20:02Z","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab"}],"at":"2026-11-20T12:20:02Z","glass":""}');
INSERT INTO "approvals" VALUES('PLAN-8ea374cd','Approved','{"plan_id":"PLAN-8ea374cd","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","answers":[{"by":"UANN","at":"2026-11-20T12:20:02Z","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658"}],"at":"2026-11-20T12:20:02Z","glass":""}');
INSERT INTO "approvals" VALUES('PLAN-2bb4ea73','Pending','{"plan_id":"PLAN-2bb4ea73","digest":"715c6288d9dd1a3722a8d01c09f807bd657e0b493c5c170edc428ecaea2938bd","needed":1,"expires_at":"2026-11-20T12:20:32Z","answers":[]}');
INSERT INTO "approvals" VALUES('PLAN-35334ddf','Approved','{"plan_id":"PLAN-35334ddf","digest":"885ae579e2ea84ad90502acb7e2416cdc55f9e2e71a7442d2e3bd17140a33466","answers":[{"by":"UANN","at":"2026-11-20T12:20:02Z","digest":"885ae579e2ea84ad90502acb7e2416cdc55f9e2e71a7442d2e3bd17140a33466"}],"at":"2026-11-20T12:20:02Z","glass":""}');
CREATE TABLE audit (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	actor TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	private_sha256 TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	seal_no INTEGER, 
	seal TEXT NOT NULL, 
	CONSTRAINT uq_audit_seal_no UNIQUE (seal_no)
);
INSERT INTO "audit" VALUES(1,'plan.proposed','2026-11-20 12:00:00.000000','sre-agent','PLAN-8055cbab','a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9','{"actor":"sre-agent","at":"2026-11-20T12:00:00+00:00","digest":"5c8d1e6c858718c30dfe69a07f713cdf7525bb31a6edacf0282be90de1d75bba","facts":{"finding":"","playbook":"manual","playbook_sha256":"6fb67b86d66221ae28b3366833d8e1c2d8949889aadb2ede4ead4ef0ac0a33df","replaces":"","score":0.7,"service":"half","steps":["deployment_rollback trading/Deployment/half"],"tier":"manual"},"kind":"plan.proposed","private_sha256":"a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9","subject":"PLAN-8055cbab","why":""}',1,'87f907b5b22be10b5e89de3d4150cb0e80b730811a5ec47c9f00fdbd5bf0d7ba');
INSERT INTO "audit" VALUES(2,'plan.approved','2026-11-20 12:00:00.000000','UANN','PLAN-8055cbab','','{"actor":"UANN","at":"2026-11-20T12:00:00+00:00","digest":"5c8d1e6c858718c30dfe69a07f713cdf7525bb31a6edacf0282be90de1d75bba","facts":{"answers":1,"channel":"C1INCIDENTS","complete":false,"needed":2,"status":"waiting"},"kind":"plan.approved","private_sha256":"","subject":"PLAN-8055cbab","why":""}',2,'24cb0371de2802bc7037b4217a1ee01a62c8fce0aed847d945f23ae04adb50a8');
INSERT INTO "audit" VALUES(3,'plan.proposed','2026-11-20 12:00:00.000000','sre-agent','PLAN-95baf9fa','a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9','{"actor":"sre-agent","at":"2026-11-20T12:00:00+00:00","digest":"e5b3b5d0be0573cf17d7481332df0dd9878bfa8654fefbb44a9dbf46799890c4","facts":{"finding":"","playbook":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626","replaces":"","score":0.5,"service":"waits","steps":["deployment_rollback trading/Deployment/waits"],"tier":"semi_auto"},"kind":"plan.proposed","private_sha256":"a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9","subject":"PLAN-95baf9fa","why":""}',3,'26b4878d3b974eed841ce45c641454ea302bc56946f1bf0f3e50eef73b06b81f');
INSERT INTO "audit" VALUES(4,'plan.proposed','2026-11-20 12:00:00.000000','sre-agent','PLAN-96f831fd','a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9','{"actor":"sre-agent","at":"2026-11-20T12:00:00+00:00","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","facts":{"finding":"","playbook":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626","replaces":"","score":0.5,"service":"done","steps":["deployment_rollback trading/Deployment/done"],"tier":"semi_auto"},"kind":"plan.proposed","private_sha256":"a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9","subject":"PLAN-96f831fd","why":""}',4,'2310c8d33efcd3da3d929ab753705790d4f1f5ebd053fb8808a5330377b3b648');
INSERT INTO "audit" VALUES(5,'plan.approved','2026-11-20 12:00:00.000000','UANN','PLAN-96f831fd','','{"actor":"UANN","at":"2026-11-20T12:00:00+00:00","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","facts":{"answers":1,"channel":"C1INCIDENTS","complete":true,"needed":1,"status":"approved"},"kind":"plan.approved","private_sha256":"","subject":"PLAN-96f831fd","why":""}',5,'3ac81ba6f3876bc363463f39689177c2b26c8b1b7606ffb5b857733192e1dd01');
INSERT INTO "audit" VALUES(6,'plan.started','2026-11-20 12:00:00.000000','sre-agent','PLAN-96f831fd','','{"actor":"sre-agent","at":"2026-11-20T12:00:00+00:00","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","facts":{"approvers":["UANN"],"auto":false,"status":"running"},"kind":"plan.started","private_sha256":"","subject":"PLAN-96f831fd","why":""}',6,'c1918b6608a7d350098b595e1621da367cbc4851eaed273388e7ec3ea732b141');
INSERT INTO "audit" VALUES(7,'step.intended','2026-11-20 12:00:00.000000','sre-agent','PLAN-96f831fd','','{"actor":"sre-agent","at":"2026-11-20T12:00:00+00:00","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","facts":{"action":"deployment_rollback","index":0,"key":"PLAN-96f831fd/do/0","target":"trading/Deployment/done","undo":false},"kind":"step.intended","private_sha256":"","subject":"PLAN-96f831fd","why":""}',7,'966d5b8bf2a0662ac99d0b809734bc02d6aab1f54f5fcdb897a2e8bec538396c');
INSERT INTO "audit" VALUES(8,'step.started','2026-11-20 12:00:00.000000','sre-agent','PLAN-96f831fd','','{"actor":"sre-agent","at":"2026-11-20T12:00:00+00:00","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","facts":{"action":"deployment_rollback","index":0,"key":"PLAN-96f831fd/do/0","note":"","target":"trading/Deployment/done","undo":false},"kind":"step.started","private_sha256":"","subject":"PLAN-96f831fd","why":""}',8,'e247d271419e3ed5a1035450e58fcbb0f756069c3d27148ee9c5bb8764610dd1');
INSERT INTO "audit" VALUES(9,'step.succeeded','2026-11-20 12:00:00.000000','sre-agent','PLAN-96f831fd','','{"actor":"sre-agent","at":"2026-11-20T12:00:00+00:00","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","facts":{"action":"deployment_rollback","after":"297b2937e5c6df030fd5665363ed596fefa7f0962a7866660147393f4236fbd8","index":0,"key":"PLAN-96f831fd/do/0","note":"deployment_rollback of trading/Deployment/done was accepted","response":{"generation":0,"resourceVersion":"69"},"target":"trading/Deployment/done","undo":false},"kind":"step.succeeded","private_sha256":"","subject":"PLAN-96f831fd","why":""}',9,'c803981c6407909d27c4f8fdeebef9ee0704c8b7d4f9a656a1acf4cef04cbb70');
INSERT INTO "audit" VALUES(10,'plan.verifying','2026-11-20 12:00:00.000000','sre-agent','PLAN-96f831fd','','{"actor":"sre-agent","at":"2026-11-20T12:00:00+00:00","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","facts":{"status":"verifying","until":"2026-11-20T12:10:00+00:00"},"kind":"plan.verifying","private_sha256":"","subject":"PLAN-96f831fd","why":""}',10,'57f0d14e6023947909c247b9d4d17c824157eefe67752541b5645a3a05e32131');
INSERT INTO "audit" VALUES(11,'plan.verified','2026-11-20 12:10:01.000000','sre-agent','PLAN-96f831fd','','{"actor":"sre-agent","at":"2026-11-20T12:10:01+00:00","digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","facts":{"status":"succeeded","why":"order_error_rate < 2% (order_error_rate = 0)"},"kind":"plan.verified","private_sha256":"","subject":"PLAN-96f831fd","why":""}',11,'9a5b7ba2063c194ed4519357802e21b3be1d78b69745ebfba884086bf1b38d76');
INSERT INTO "audit" VALUES(12,'plan.proposed','2026-11-20 12:10:01.000000','sre-agent','PLAN-0d4542bd','a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9','{"actor":"sre-agent","at":"2026-11-20T12:10:01+00:00","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","facts":{"finding":"","playbook":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626","replaces":"","score":0.5,"service":"stop","steps":["deployment_rollback trading/Deployment/stop"],"tier":"semi_auto"},"kind":"plan.proposed","private_sha256":"a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9","subject":"PLAN-0d4542bd","why":""}',12,'595e03a383ee476bb3bc2e687b9672265fafde9cc65ef62cbbc6972f1c134246');
INSERT INTO "audit" VALUES(13,'plan.approved','2026-11-20 12:10:01.000000','UANN','PLAN-0d4542bd','','{"actor":"UANN","at":"2026-11-20T12:10:01+00:00","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","facts":{"answers":1,"channel":"C1INCIDENTS","complete":true,"needed":1,"status":"approved"},"kind":"plan.approved","private_sha256":"","subject":"PLAN-0d4542bd","why":""}',13,'82a4ec44efa0161ac0ff49ed307ad4b17d348253673f5d174fd18ccc0edaa97a');
INSERT INTO "audit" VALUES(14,'plan.started','2026-11-20 12:10:01.000000','sre-agent','PLAN-0d4542bd','','{"actor":"sre-agent","at":"2026-11-20T12:10:01+00:00","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","facts":{"approvers":["UANN"],"auto":false,"status":"running"},"kind":"plan.started","private_sha256":"","subject":"PLAN-0d4542bd","why":""}',14,'e5c1f594b4159d1aa623069119f4623a86b4ee59f1061ae19d5ff5596ce52fa2');
INSERT INTO "audit" VALUES(15,'step.intended','2026-11-20 12:10:01.000000','sre-agent','PLAN-0d4542bd','','{"actor":"sre-agent","at":"2026-11-20T12:10:01+00:00","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","facts":{"action":"deployment_rollback","index":0,"key":"PLAN-0d4542bd/do/0","target":"trading/Deployment/stop","undo":false},"kind":"step.intended","private_sha256":"","subject":"PLAN-0d4542bd","why":""}',15,'4ebef020f33cc3fe9a758218039ad8860d37715d6794109502ea2f8404ab045c');
INSERT INTO "audit" VALUES(16,'step.started','2026-11-20 12:10:01.000000','sre-agent','PLAN-0d4542bd','','{"actor":"sre-agent","at":"2026-11-20T12:10:01+00:00","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","facts":{"action":"deployment_rollback","index":0,"key":"PLAN-0d4542bd/do/0","note":"","target":"trading/Deployment/stop","undo":false},"kind":"step.started","private_sha256":"","subject":"PLAN-0d4542bd","why":""}',16,'9fad4b4848b1b5475eb42f9dde6deafea7067c6c5b3859174379541cfbce362d');
INSERT INTO "audit" VALUES(17,'step.succeeded','2026-11-20 12:10:01.000000','sre-agent','PLAN-0d4542bd','','{"actor":"sre-agent","at":"2026-11-20T12:10:01+00:00","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","facts":{"action":"deployment_rollback","after":"89ca57ade22be08c2f26997857413182d9c739041ebd8b10ceede32d54256132","index":0,"key":"PLAN-0d4542bd/do/0","note":"deployment_rollback of trading/Deployment/stop was accepted","response":{"generation":0,"resourceVersion":"70"},"target":"trading/Deployment/stop","undo":false},"kind":"step.succeeded","private_sha256":"","subject":"PLAN-0d4542bd","why":""}',17,'3fb0b6b914546c09e04cf86dd76262956271ae6ea48a09a1f1798fd2c4538a34');
INSERT INTO "audit" VALUES(18,'plan.verifying','2026-11-20 12:10:01.000000','sre-agent','PLAN-0d4542bd','','{"actor":"sre-agent","at":"2026-11-20T12:10:01+00:00","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","facts":{"status":"verifying","until":"2026-11-20T12:20:01+00:00"},"kind":"plan.verifying","private_sha256":"","subject":"PLAN-0d4542bd","why":""}',18,'cb024c4d502361480d9b499a4030d2449dde84cedfe07b48e8d6bdd1af07858a');
INSERT INTO "audit" VALUES(19,'plan.halted','2026-11-20 12:20:02.000000','sre-agent','PLAN-0d4542bd','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","facts":{"status":"halted","why":"the kill switch is on: UADA: look first"},"kind":"plan.halted","private_sha256":"","subject":"PLAN-0d4542bd","why":""}',19,'15627026582cc85e52f4e268072021d2fcb40630bd81326be35bacb6a285006b');
INSERT INTO "audit" VALUES(20,'plan.proposed','2026-11-20 12:20:02.000000','sre-agent','PLAN-ad34f458','a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","facts":{"finding":"","playbook":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626","replaces":"","score":0.5,"service":"watch","steps":["deployment_rollback trading/Deployment/watch"],"tier":"semi_auto"},"kind":"plan.proposed","private_sha256":"a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9","subject":"PLAN-ad34f458","why":""}',20,'5142f91e0516288857a72835fa186886d5c56580b0893336bde2c56a1bb67e36');
INSERT INTO "audit" VALUES(21,'plan.approved','2026-11-20 12:20:02.000000','UBOB','PLAN-ad34f458','','{"actor":"UBOB","at":"2026-11-20T12:20:02+00:00","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","facts":{"answers":1,"channel":"C1INCIDENTS","complete":true,"needed":1,"status":"approved"},"kind":"plan.approved","private_sha256":"","subject":"PLAN-ad34f458","why":""}',21,'53f091316b0693ed7b0c2f2c48f37ea399139ab66069e5e9b142c571b81efabb');
INSERT INTO "audit" VALUES(22,'plan.started','2026-11-20 12:20:02.000000','sre-agent','PLAN-ad34f458','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","facts":{"approvers":["UBOB"],"auto":false,"status":"running"},"kind":"plan.started","private_sha256":"","subject":"PLAN-ad34f458","why":""}',22,'d89502ae19e28489ee4343c2f58f390b958d815a4aafafb0da31a648f61a77de');
INSERT INTO "audit" VALUES(23,'step.intended','2026-11-20 12:20:02.000000','sre-agent','PLAN-ad34f458','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","facts":{"action":"deployment_rollback","index":0,"key":"PLAN-ad34f458/do/0","target":"trading/Deployment/watch","undo":false},"kind":"step.intended","private_sha256":"","subject":"PLAN-ad34f458","why":""}',23,'79a75f5bd1cc57a6928f9656a3c11e1a36d1811d92474802d357f63027557784');
INSERT INTO "audit" VALUES(24,'step.started','2026-11-20 12:20:02.000000','sre-agent','PLAN-ad34f458','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","facts":{"action":"deployment_rollback","index":0,"key":"PLAN-ad34f458/do/0","note":"","target":"trading/Deployment/watch","undo":false},"kind":"step.started","private_sha256":"","subject":"PLAN-ad34f458","why":""}',24,'c9799095278a2380c6e3835639dcf8c08bb77511ac88d95fd534d38df2ec337d');
INSERT INTO "audit" VALUES(25,'step.succeeded','2026-11-20 12:20:02.000000','sre-agent','PLAN-ad34f458','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","facts":{"action":"deployment_rollback","after":"e3e93f58bfa9587fe80af15537c4c8b17cb928552cee3cedfabfd7fa4a62ec42","index":0,"key":"PLAN-ad34f458/do/0","note":"deployment_rollback of trading/Deployment/watch was accepted","response":{"generation":0,"resourceVersion":"71"},"target":"trading/Deployment/watch","undo":false},"kind":"step.succeeded","private_sha256":"","subject":"PLAN-ad34f458","why":""}',25,'fb7196b66c1a03e18038d05fd472e012f76afef9467b688a51115a1a97cf34f8');
INSERT INTO "audit" VALUES(26,'plan.verifying','2026-11-20 12:20:02.000000','sre-agent','PLAN-ad34f458','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","facts":{"status":"verifying","until":"2026-11-20T12:30:02+00:00"},"kind":"plan.verifying","private_sha256":"","subject":"PLAN-ad34f458","why":""}',26,'eb83230e0c38b454d2ef7c8fa53bd964d24feecfb0f47e03a6b564e5d72255de');
INSERT INTO "audit" VALUES(27,'plan.proposed','2026-11-20 12:20:02.000000','sre-agent','PLAN-8ea374cd','a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","facts":{"finding":"","playbook":"both","playbook_sha256":"9dc18098af696a66115b7b7b84be40c1f8b4b7bbeaed758518481f4069819cd4","replaces":"","score":0.5,"service":"shop","steps":["deployment_rollback trading/Deployment/shop","deployment_rollback trading/Deployment/cart","hpa_scale trading/HorizontalPodAutoscaler/shop"],"tier":"semi_auto"},"kind":"plan.proposed","private_sha256":"a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9","subject":"PLAN-8ea374cd","why":""}',27,'270ed1b68031a3a9d29886a7445a2be43fbb37ecec68a9f3162d86a84507dd9f');
INSERT INTO "audit" VALUES(28,'plan.approved','2026-11-20 12:20:02.000000','UANN','PLAN-8ea374cd','','{"actor":"UANN","at":"2026-11-20T12:20:02+00:00","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","facts":{"answers":1,"channel":"C1INCIDENTS","complete":true,"needed":1,"status":"approved"},"kind":"plan.approved","private_sha256":"","subject":"PLAN-8ea374cd","why":""}',28,'050e711569bbef92f81120879b3a787dfc30b8f9770471603bfd4b56945b8091');
INSERT INTO "audit" VALUES(29,'plan.started','2026-11-20 12:20:02.000000','sre-agent','PLAN-8ea374cd','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","facts":{"approvers":["UANN"],"auto":false,"status":"running"},"kind":"plan.started","private_sha256":"","subject":"PLAN-8ea374cd","why":""}',29,'f6f3065dfe443ba203379393bf7624173c8356cee3e205eae7122f044b111490');
INSERT INTO "audit" VALUES(30,'step.intended','2026-11-20 12:20:02.000000','sre-agent','PLAN-8ea374cd','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","facts":{"action":"deployment_rollback","index":0,"key":"PLAN-8ea374cd/do/0","target":"trading/Deployment/shop","undo":false},"kind":"step.intended","private_sha256":"","subject":"PLAN-8ea374cd","why":""}',30,'e56641e12ab8e2e66002e89afe923d3a48581f1c4dc67a4bb2ea4d74d5bd7005');
INSERT INTO "audit" VALUES(31,'step.started','2026-11-20 12:20:02.000000','sre-agent','PLAN-8ea374cd','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","facts":{"action":"deployment_rollback","index":0,"key":"PLAN-8ea374cd/do/0","note":"","target":"trading/Deployment/shop","undo":false},"kind":"step.started","private_sha256":"","subject":"PLAN-8ea374cd","why":""}',31,'cf93eac55df28651c93beb04520f88b5433a6a6b761278867c31f20b3a81750d');
INSERT INTO "audit" VALUES(32,'step.succeeded','2026-11-20 12:20:02.000000','sre-agent','PLAN-8ea374cd','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","facts":{"action":"deployment_rollback","after":"bc402c901181198acc882e2510f08b0d29e314f0c33df7cbfe3dfbab2c37d027","index":0,"key":"PLAN-8ea374cd/do/0","note":"deployment_rollback of trading/Deployment/shop was accepted","response":{"generation":0,"resourceVersion":"72"},"target":"trading/Deployment/shop","undo":false},"kind":"step.succeeded","private_sha256":"","subject":"PLAN-8ea374cd","why":""}',32,'abbf629838da926b089254273d11f8e0d579b08ca013d76bded761064a861db7');
INSERT INTO "audit" VALUES(33,'step.intended','2026-11-20 12:20:02.000000','sre-agent','PLAN-8ea374cd','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","facts":{"action":"deployment_rollback","index":1,"key":"PLAN-8ea374cd/do/1","target":"trading/Deployment/cart","undo":false},"kind":"step.intended","private_sha256":"","subject":"PLAN-8ea374cd","why":""}',33,'e4cfc6da8fe34f5e67156847b3ffcd9ad6023a1037ea2358bb7f3bb0893868af');
INSERT INTO "audit" VALUES(34,'step.started','2026-11-20 12:20:02.000000','sre-agent','PLAN-8ea374cd','','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","facts":{"action":"deployment_rollback","index":1,"key":"PLAN-8ea374cd/do/1","note":"","target":"trading/Deployment/cart","undo":false},"kind":"step.started","private_sha256":"","subject":"PLAN-8ea374cd","why":""}',34,'e652fbf3d5ed38dfdffc04673ac20669a70a4560d44fb1c3db238506c69dd9d9');
INSERT INTO "audit" VALUES(35,'plan.proposed','2026-11-20 12:20:02.000000','sre-agent','PLAN-2bb4ea73','a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"715c6288d9dd1a3722a8d01c09f807bd657e0b493c5c170edc428ecaea2938bd","facts":{"finding":"","playbook":"scale-up","playbook_sha256":"367666d9673a3711f735de598a6084d11e8cbe803b513f385dc55a1a7e7973c0","replaces":"","score":0.3,"service":"lone","steps":["hpa_scale trading/HorizontalPodAutoscaler/lone"],"tier":"auto"},"kind":"plan.proposed","private_sha256":"a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9","subject":"PLAN-2bb4ea73","why":""}',35,'126645f4dce41ca488dac9e5c3e810f423cddb82d618b7f0f5380b9bada3c0dd');
INSERT INTO "audit" VALUES(36,'plan.proposed','2026-11-20 12:20:02.000000','sre-agent','PLAN-35334ddf','a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"885ae579e2ea84ad90502acb7e2416cdc55f9e2e71a7442d2e3bd17140a33466","facts":{"finding":"","playbook":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626","replaces":"","score":0.5,"service":"yes","steps":["deployment_rollback trading/Deployment/yes"],"tier":"semi_auto"},"kind":"plan.proposed","private_sha256":"a511aeeeb8a119931a67038a63b7974faee48712de1c79391ebe2c9b929678e9","subject":"PLAN-35334ddf","why":""}',36,'07fadb2626af1a8cae10d5bbe683c00384b9c7963c6933bfe15e4f022f75d7c2');
INSERT INTO "audit" VALUES(37,'plan.approved','2026-11-20 12:20:02.000000','UANN','PLAN-35334ddf','','{"actor":"UANN","at":"2026-11-20T12:20:02+00:00","digest":"885ae579e2ea84ad90502acb7e2416cdc55f9e2e71a7442d2e3bd17140a33466","facts":{"answers":1,"channel":"C1INCIDENTS","complete":true,"needed":1,"status":"approved"},"kind":"plan.approved","private_sha256":"","subject":"PLAN-35334ddf","why":""}',37,'cd42ef3c06428f5533cf1d8aff6354e63b23d9bfce1710b41fac5c2ba07ee73a');
INSERT INTO "audit" VALUES(38,'token.created','2026-11-20 12:20:02.000000','terminal','TOK-000001','','{"actor":"terminal","at":"2026-11-20T12:20:02+00:00","digest":"","facts":{"user":"UADA"},"kind":"token.created","private_sha256":"","subject":"TOK-000001","why":""}',38,'64d739f55da9b2927bd0cbaae208de991c37c2de1543c5da2d43bb3259c286c9');
INSERT INTO "audit" VALUES(39,'token.created','2026-11-20 12:20:02.000000','terminal','TOK-000002','','{"actor":"terminal","at":"2026-11-20T12:20:02+00:00","digest":"","facts":{"user":"UANN"},"kind":"token.created","private_sha256":"","subject":"TOK-000002","why":""}',39,'83c3851c44b40dd17536aff47ae49ec1c220c95d57bf0a9d2d5b2a45d475abab');
INSERT INTO "audit" VALUES(40,'token.created','2026-11-20 12:20:02.000000','terminal','TOK-000003','','{"actor":"terminal","at":"2026-11-20T12:20:02+00:00","digest":"","facts":{"user":"UBOB"},"kind":"token.created","private_sha256":"","subject":"TOK-000003","why":""}',40,'ef5367015856aa0f399e47de22c3dfe8cd34aa1cc47661869c3a78bd3f3236cd');
INSERT INTO "audit" VALUES(41,'token.revoked','2026-11-20 12:20:02.000000','terminal','TOK-000003','','{"actor":"terminal","at":"2026-11-20T12:20:02+00:00","digest":"","facts":{},"kind":"token.revoked","private_sha256":"","subject":"TOK-000003","why":""}',41,'d82aeb351882108abbeb3e8acdf170a3f1ad0a737519903fc91b7c6465057fe1');
INSERT INTO "audit" VALUES(42,'tool.called','2026-11-20 12:20:02.000000','sre-agent','RUN-1','c4d51bf996e8ea1ecdc3d8470ca0f198968a30a0bead361bbd221343a139edaa','{"actor":"sre-agent","at":"2026-11-20T12:20:02+00:00","digest":"","facts":{},"kind":"tool.called","private_sha256":"c4d51bf996e8ea1ecdc3d8470ca0f198968a30a0bead361bbd221343a139edaa","subject":"RUN-1","why":""}',NULL,'');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	seal_no INTEGER NOT NULL, 
	seal TEXT NOT NULL, 
	proof TEXT NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (id)
);
INSERT INTO "audit_head" VALUES(1,41,'d82aeb351882108abbeb3e8acdf170a3f1ad0a737519903fc91b7c6465057fe1','19e833546f0710e5ba7c37ed312d088e7c7017ffb30bda8b4d4465f6a5341f69');
CREATE TABLE audit_private (
	seq INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	CONSTRAINT pk_audit_private PRIMARY KEY (seq), 
	CONSTRAINT fk_audit_private_seq FOREIGN KEY(seq) REFERENCES audit (seq)
);
INSERT INTO "audit_private" VALUES(1,'because');
INSERT INTO "audit_private" VALUES(3,'because');
INSERT INTO "audit_private" VALUES(4,'because');
INSERT INTO "audit_private" VALUES(12,'because');
INSERT INTO "audit_private" VALUES(20,'because');
INSERT INTO "audit_private" VALUES(27,'because');
INSERT INTO "audit_private" VALUES(35,'because');
INSERT INTO "audit_private" VALUES(36,'because');
INSERT INTO "audit_private" VALUES(42,'of the last second');
CREATE TABLE baselines (
	metric TEXT NOT NULL, 
	labels TEXT NOT NULL, 
	learned_at DATETIME NOT NULL, 
	history_seconds FLOAT NOT NULL, 
	profile BLOB NOT NULL, 
	spread BLOB NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_baselines PRIMARY KEY (metric, labels)
);
CREATE TABLE changes (
	id INTEGER NOT NULL, 
	dedupe_key TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	service TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_changes PRIMARY KEY (id), 
	CONSTRAINT uq_changes_dedupe_key UNIQUE (dedupe_key)
);
INSERT INTO "changes" VALUES(1,'PLAN-96f831fd/do/0','2026-11-20 12:00:00.000000','done','action','{"at":"2026-11-20T12:00:00Z","kind":"action","service":"done","summary":"PLAN-96f831fd: Roll back","before":"","after":"spec.containers[done].image: done:2 \u2192 done:1","author":"sre-agent","workload":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"done","uid":"uid-done"},"source":"sre-agent"}');
INSERT INTO "changes" VALUES(2,'PLAN-0d4542bd/do/0','2026-11-20 12:10:01.000000','stop','action','{"at":"2026-11-20T12:10:01Z","kind":"action","service":"stop","summary":"PLAN-0d4542bd: Roll back","before":"","after":"spec.containers[stop].image: stop:2 \u2192 stop:1","author":"sre-agent","workload":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"stop","uid":"uid-stop"},"source":"sre-agent"}');
INSERT INTO "changes" VALUES(3,'PLAN-ad34f458/do/0','2026-11-20 12:20:02.000000','watch','action','{"at":"2026-11-20T12:20:02Z","kind":"action","service":"watch","summary":"PLAN-ad34f458: Roll back","before":"","after":"spec.containers[watch].image: watch:2 \u2192 watch:1","author":"sre-agent","workload":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"watch","uid":"uid-watch"},"source":"sre-agent"}');
INSERT INTO "changes" VALUES(4,'PLAN-8ea374cd/do/0','2026-11-20 12:20:02.000000','shop','action','{"at":"2026-11-20T12:20:02Z","kind":"action","service":"shop","summary":"PLAN-8ea374cd: First","before":"","after":"spec.containers[shop].image: shop:2 \u2192 shop:1","author":"sre-agent","workload":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"shop","uid":"uid-shop"},"source":"sre-agent"}');
CREATE TABLE charts (
	id TEXT NOT NULL, 
	png BLOB NOT NULL, 
	alt_text TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_charts PRIMARY KEY (id)
);
CREATE TABLE config_versions (
	id INTEGER NOT NULL, 
	cluster TEXT NOT NULL, 
	namespace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	uid TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	data TEXT, 
	withheld TEXT NOT NULL, 
	CONSTRAINT pk_config_versions PRIMARY KEY (id)
);
CREATE TABLE counters (
	name TEXT NOT NULL, 
	value INTEGER NOT NULL, 
	CONSTRAINT pk_counters PRIMARY KEY (name)
);
CREATE TABLE digest_slots (
	channel TEXT NOT NULL, 
	slot DATETIME NOT NULL, 
	told_at DATETIME NOT NULL, 
	CONSTRAINT pk_digest_slots PRIMARY KEY (channel, slot)
);
CREATE TABLE documents (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	title TEXT NOT NULL, 
	path TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	indexed_at DATETIME NOT NULL, 
	CONSTRAINT pk_documents PRIMARY KEY (id)
);
CREATE TABLE evidence (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	place TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	run_id TEXT NOT NULL, 
	tool TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT uq_evidence_place_number UNIQUE (place, number)
);
CREATE TABLE feedback (
	run_id TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	helpful BOOLEAN NOT NULL, 
	at DATETIME NOT NULL, 
	text TEXT NOT NULL, 
	CONSTRAINT pk_feedback PRIMARY KEY (run_id, "by")
);
CREATE TABLE findings (
	id TEXT NOT NULL, 
	service TEXT NOT NULL, 
	severity TEXT NOT NULL, 
	opened_at DATETIME NOT NULL, 
	resolved_at DATETIME, 
	channel TEXT NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_findings PRIMARY KEY (id)
);
CREATE TABLE flags (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_flags PRIMARY KEY (name)
);
CREATE TABLE incidents (
	id TEXT NOT NULL, 
	priority TEXT NOT NULL, 
	service TEXT NOT NULL, 
	place TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	declared_at DATETIME NOT NULL, 
	resolved_at DATETIME, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_incidents PRIMARY KEY (id)
);
CREATE TABLE leases (
	name TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	until DATETIME NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE messages (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	place TEXT NOT NULL, 
	role TEXT NOT NULL, 
	content TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	at DATETIME NOT NULL
);
CREATE TABLE mutes (
	service TEXT NOT NULL, 
	metric TEXT NOT NULL, 
	until DATETIME NOT NULL, 
	"by" TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_mutes PRIMARY KEY (service, metric)
);
CREATE TABLE plan_steps (
	plan_id TEXT NOT NULL, 
	undo BOOLEAN NOT NULL, 
	"index" INTEGER NOT NULL, 
	target TEXT NOT NULL, 
	phase TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	intent_at DATETIME, 
	sent_at DATETIME, 
	ended_at DATETIME, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_plan_steps PRIMARY KEY (plan_id, undo, "index"), 
	CONSTRAINT fk_plan_steps_plan_id FOREIGN KEY(plan_id) REFERENCES plans (id), 
	CONSTRAINT uq_plan_steps_key UNIQUE ("key")
);
INSERT INTO "plan_steps" VALUES('PLAN-96f831fd',0,0,'trading/Deployment/done','done','PLAN-96f831fd/do/0','2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000','deployment_rollback of trading/Deployment/done was accepted');
INSERT INTO "plan_steps" VALUES('PLAN-0d4542bd',0,0,'trading/Deployment/stop','done','PLAN-0d4542bd/do/0','2026-11-20 12:10:01.000000','2026-11-20 12:10:01.000000','2026-11-20 12:10:01.000000','deployment_rollback of trading/Deployment/stop was accepted');
INSERT INTO "plan_steps" VALUES('PLAN-ad34f458',0,0,'trading/Deployment/watch','done','PLAN-ad34f458/do/0','2026-11-20 12:20:02.000000','2026-11-20 12:20:02.000000','2026-11-20 12:20:02.000000','deployment_rollback of trading/Deployment/watch was accepted');
INSERT INTO "plan_steps" VALUES('PLAN-8ea374cd',0,0,'trading/Deployment/shop','done','PLAN-8ea374cd/do/0','2026-11-20 12:20:02.000000','2026-11-20 12:20:02.000000','2026-11-20 12:20:02.000000','deployment_rollback of trading/Deployment/shop was accepted');
INSERT INTO "plan_steps" VALUES('PLAN-8ea374cd',0,1,'trading/Deployment/cart','sent','PLAN-8ea374cd/do/1','2026-11-20 12:20:02.000000','2026-11-20 12:20:02.000000',NULL,'');
CREATE TABLE plans (
	id TEXT NOT NULL, 
	status TEXT NOT NULL, 
	service TEXT NOT NULL, 
	finding TEXT, 
	channel TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	version INTEGER NOT NULL, 
	halted BOOLEAN NOT NULL, 
	ended_at DATETIME, 
	outcome TEXT NOT NULL, 
	verify_until DATETIME, 
	owner TEXT NOT NULL, 
	heartbeat_at DATETIME, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_plans PRIMARY KEY (id)
);
INSERT INTO "plans" VALUES('PLAN-8055cbab','waiting','half',NULL,'C1INCIDENTS','5c8d1e6c858718c30dfe69a07f713cdf7525bb31a6edacf0282be90de1d75bba','2026-11-20 12:00:00.000000','2126-10-27 12:00:00.000000',2,0,NULL,'',NULL,'',NULL,'{"id":"PLAN-8055cbab","title":"Rollback: half","service":"half","reason":"because","body":{"steps":[{"name":"Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"half","uid":"uid-half"},"parameters":{"to_revision":1,"replica_set":"half-h1","template_sha256":"44cd9dc43b3a53e585e8d025544ae97f979bb8a4a8b3031e1ceb60bf649d67dc"},"timeout_seconds":120,"fingerprint":"44ce7c933ce1101f57402656156b23efa5f983f7554a8844716941c9ba272d4f","state_before":{},"diff":["spec.containers[half].image: half:2 \u2192 half:1"]}],"undo":[{"name":"Undo: Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"half","uid":"uid-half"},"parameters":{"to_revision":0,"replica_set":"half-h2","template_sha256":"a295a2086cc1f681c723aa489c170067657199511a65c057391420a7bc85d132"},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":0},"diff":["Put revision 2 of trading/Deployment/half back"]}],"verify":[{"expression":"order_error_rate < 2%","window_seconds":600}],"playbook_id":"manual","playbook_sha256":"6fb67b86d66221ae28b3366833d8e1c2d8949889aadb2ede4ead4ef0ac0a33df"},"digest":"5c8d1e6c858718c30dfe69a07f713cdf7525bb31a6edacf0282be90de1d75bba","risk":{"score":0.7,"severity":0.5,"urgency":0.2,"impact":0.49,"complexity":0.4,"lines":["severity 0.35 \u00d7 0.50 = 0.175 (anomaly medium)","urgency 0.25 \u00d7 0.20 = 0.050 (0 min, trend unknown)","impact 0.25 \u00d7 0.49 = 0.122 (Deployment in trading, category unknown, tier 2, 0 dependants, 3 of 3 pods)","complexity 0.15 \u00d7 0.40 = 0.060 (1 step, with a way back, hardest action 0.40)","playbook override 0.70 replaces the weighted 0.41"],"override":0.7,"floor":0.4},"tier":"manual","blast_radius":["trading/Deployment/half"],"dry_run":["Roll back: Roll trading/Deployment/half back from revision 2 to revision 1; accepted"],"requested_by":null,"finding":null,"created_at":"2026-11-20T12:00:00Z","expires_at":"2126-10-27T12:00:00Z","place":{"channel":"C1INCIDENTS","thread_ts":null},"approvers_needed":2,"auto":false,"chosen":{},"choices":[],"cooldown":"PT0S","owners":[]}');
INSERT INTO "plans" VALUES('PLAN-95baf9fa','waiting','waits',NULL,'C1INCIDENTS','e5b3b5d0be0573cf17d7481332df0dd9878bfa8654fefbb44a9dbf46799890c4','2026-11-20 12:00:00.000000','2126-10-27 12:00:00.000000',1,0,NULL,'',NULL,'',NULL,'{"id":"PLAN-95baf9fa","title":"Rollback: waits","service":"waits","reason":"because","body":{"steps":[{"name":"Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"waits","uid":"uid-waits"},"parameters":{"to_revision":1,"replica_set":"waits-h1","template_sha256":"0b97aa2e87bc21f0062458c887bd2674a92cd4afa058716668f9197229549a99"},"timeout_seconds":120,"fingerprint":"04116a1c60aeec9ee130ce1eaf6d4f5e8bc7d56ac1fa97afdf4032d3f2b6001b","state_before":{},"diff":["spec.containers[waits].image: waits:2 \u2192 waits:1"]}],"undo":[{"name":"Undo: Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"waits","uid":"uid-waits"},"parameters":{"to_revision":0,"replica_set":"waits-h2","template_sha256":"a01c9c9f03753233d1e2fe31b0b1ae4af2e4b0703c870474014759c3b3f9fd16"},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":0},"diff":["Put revision 2 of trading/Deployment/waits back"]}],"verify":[{"expression":"order_error_rate < 2%","window_seconds":600}],"playbook_id":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626"},"digest":"e5b3b5d0be0573cf17d7481332df0dd9878bfa8654fefbb44a9dbf46799890c4","risk":{"score":0.5,"severity":0.5,"urgency":0.2,"impact":0.49,"complexity":0.4,"lines":["severity 0.35 \u00d7 0.50 = 0.175 (anomaly medium)","urgency 0.25 \u00d7 0.20 = 0.050 (0 min, trend unknown)","impact 0.25 \u00d7 0.49 = 0.122 (Deployment in trading, category unknown, tier 2, 0 dependants, 3 of 3 pods)","complexity 0.15 \u00d7 0.40 = 0.060 (1 step, with a way back, hardest action 0.40)","playbook override 0.50 replaces the weighted 0.41"],"override":0.5,"floor":0.4},"tier":"semi_auto","blast_radius":["trading/Deployment/waits"],"dry_run":["Roll back: Roll trading/Deployment/waits back from revision 2 to revision 1; accepted"],"requested_by":null,"finding":null,"created_at":"2026-11-20T12:00:00Z","expires_at":"2126-10-27T12:00:00Z","place":{"channel":"C1INCIDENTS","thread_ts":null},"approvers_needed":1,"auto":false,"chosen":{},"choices":[],"cooldown":"PT0S","owners":[]}');
INSERT INTO "plans" VALUES('PLAN-96f831fd','succeeded','done',NULL,'C1INCIDENTS','40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968','2026-11-20 12:00:00.000000','2126-10-27 12:00:00.000000',6,0,'2026-11-20 12:10:01.000000','✅ Rollback: done (PLAN-96f831fd) helped: order_error_rate < 2% (order_error_rate = 0).','2026-11-20 12:10:00.000000','one','2026-11-20 12:10:01.000000','{"id":"PLAN-96f831fd","title":"Rollback: done","service":"done","reason":"because","body":{"steps":[{"name":"Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"done","uid":"uid-done"},"parameters":{"to_revision":1,"replica_set":"done-h1","template_sha256":"500fb3f057e826897085804c00443c1f0f304feb8365702951099868553620f6"},"timeout_seconds":120,"fingerprint":"ca74273539502c6a88a5360f6f2c0482e8ac400c1f5d0e89ee69b29f55c9458a","state_before":{},"diff":["spec.containers[done].image: done:2 \u2192 done:1"]}],"undo":[{"name":"Undo: Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"done","uid":"uid-done"},"parameters":{"to_revision":0,"replica_set":"done-h2","template_sha256":"31adc348e913536116e799bfd8bc738f36c6ceb2a93cfc60530e5d26c58db6da"},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":0},"diff":["Put revision 2 of trading/Deployment/done back"]}],"verify":[{"expression":"order_error_rate < 2%","window_seconds":600}],"playbook_id":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626"},"digest":"40ea86c687cb5b56ce8c06caccbb4b5a35fc3221476cb288311a91d0cfd8f968","risk":{"score":0.5,"severity":0.5,"urgency":0.2,"impact":0.49,"complexity":0.4,"lines":["severity 0.35 \u00d7 0.50 = 0.175 (anomaly medium)","urgency 0.25 \u00d7 0.20 = 0.050 (0 min, trend unknown)","impact 0.25 \u00d7 0.49 = 0.122 (Deployment in trading, category unknown, tier 2, 0 dependants, 3 of 3 pods)","complexity 0.15 \u00d7 0.40 = 0.060 (1 step, with a way back, hardest action 0.40)","playbook override 0.50 replaces the weighted 0.41"],"override":0.5,"floor":0.4},"tier":"semi_auto","blast_radius":["trading/Deployment/done"],"dry_run":["Roll back: Roll trading/Deployment/done back from revision 2 to revision 1; accepted"],"requested_by":null,"finding":null,"created_at":"2026-11-20T12:00:00Z","expires_at":"2126-10-27T12:00:00Z","place":{"channel":"C1INCIDENTS","thread_ts":null},"approvers_needed":1,"auto":false,"chosen":{},"choices":[],"cooldown":"PT0S","owners":[]}');
INSERT INTO "plans" VALUES('PLAN-0d4542bd','halted','stop',NULL,'C1INCIDENTS','0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c','2026-11-20 12:10:01.000000','2126-10-27 12:10:01.000000',6,0,'2026-11-20 12:20:02.000000','🛑 Rollback: stop (PLAN-0d4542bd) was stopped: the kill switch is on: UADA: look first. What was done so far can be undone.','2026-11-20 12:20:01.000000','one','2026-11-20 12:20:02.000000','{"id":"PLAN-0d4542bd","title":"Rollback: stop","service":"stop","reason":"because","body":{"steps":[{"name":"Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"stop","uid":"uid-stop"},"parameters":{"to_revision":1,"replica_set":"stop-h1","template_sha256":"e3ada03c8fe3ea189adf83156553910e963c71b6c39c6c858637ac8e79c222a4"},"timeout_seconds":120,"fingerprint":"79b722592fc763b6673c0fe85358a1e81f97d2c235997e898a4dd204876ecaf6","state_before":{},"diff":["spec.containers[stop].image: stop:2 \u2192 stop:1"]}],"undo":[{"name":"Undo: Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"stop","uid":"uid-stop"},"parameters":{"to_revision":0,"replica_set":"stop-h2","template_sha256":"873ae5ba9966bf7713b70dac944e7523473ee3267f9b45108bd7f13858ea6b6e"},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":0},"diff":["Put revision 2 of trading/Deployment/stop back"]}],"verify":[{"expression":"order_error_rate < 2%","window_seconds":600}],"playbook_id":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626"},"digest":"0986a8a9ba6784b50cfcaff0e8a2d7f2a77fa92e59dcc34d279510930d297d4c","risk":{"score":0.5,"severity":0.5,"urgency":0.2,"impact":0.49,"complexity":0.4,"lines":["severity 0.35 \u00d7 0.50 = 0.175 (anomaly medium)","urgency 0.25 \u00d7 0.20 = 0.050 (0 min, trend unknown)","impact 0.25 \u00d7 0.49 = 0.122 (Deployment in trading, category unknown, tier 2, 0 dependants, 3 of 3 pods)","complexity 0.15 \u00d7 0.40 = 0.060 (1 step, with a way back, hardest action 0.40)","playbook override 0.50 replaces the weighted 0.41"],"override":0.5,"floor":0.4},"tier":"semi_auto","blast_radius":["trading/Deployment/stop"],"dry_run":["Roll back: Roll trading/Deployment/stop back from revision 2 to revision 1; accepted"],"requested_by":null,"finding":null,"created_at":"2026-11-20T12:10:01Z","expires_at":"2126-10-27T12:10:01Z","place":{"channel":"C1INCIDENTS","thread_ts":null},"approvers_needed":1,"auto":false,"chosen":{},"choices":[],"cooldown":"PT0S","owners":[]}');
INSERT INTO "plans" VALUES('PLAN-ad34f458','verifying','watch',NULL,'C1INCIDENTS','e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab','2026-11-20 12:20:02.000000','2126-10-27 12:20:02.000000',4,0,NULL,'','2026-11-20 12:30:02.000000','one','2026-11-20 12:20:02.000000','{"id":"PLAN-ad34f458","title":"Rollback: watch","service":"watch","reason":"because","body":{"steps":[{"name":"Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"watch","uid":"uid-watch"},"parameters":{"to_revision":1,"replica_set":"watch-h1","template_sha256":"adcf8f3b37f9e76a87d45793939f798dd682b6c170a482a30d02c2231edd3da8"},"timeout_seconds":120,"fingerprint":"20c84c4b311e6cfcb788015eb11f1928a58015db58c247ad06e76e491bb53704","state_before":{},"diff":["spec.containers[watch].image: watch:2 \u2192 watch:1"]}],"undo":[{"name":"Undo: Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"watch","uid":"uid-watch"},"parameters":{"to_revision":0,"replica_set":"watch-h2","template_sha256":"a70c85890ebed3dbffc0a903070db907d38fce6c59f885df2a566f7fa132a548"},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":0},"diff":["Put revision 2 of trading/Deployment/watch back"]}],"verify":[{"expression":"order_error_rate < 2%","window_seconds":600}],"playbook_id":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626"},"digest":"e7f574b572825c8a9748219647ca67772c548ec5df28c3a57e5df48f4fc3cdab","risk":{"score":0.5,"severity":0.5,"urgency":0.2,"impact":0.49,"complexity":0.4,"lines":["severity 0.35 \u00d7 0.50 = 0.175 (anomaly medium)","urgency 0.25 \u00d7 0.20 = 0.050 (0 min, trend unknown)","impact 0.25 \u00d7 0.49 = 0.122 (Deployment in trading, category unknown, tier 2, 0 dependants, 3 of 3 pods)","complexity 0.15 \u00d7 0.40 = 0.060 (1 step, with a way back, hardest action 0.40)","playbook override 0.50 replaces the weighted 0.41"],"override":0.5,"floor":0.4},"tier":"semi_auto","blast_radius":["trading/Deployment/watch"],"dry_run":["Roll back: Roll trading/Deployment/watch back from revision 2 to revision 1; accepted"],"requested_by":null,"finding":null,"created_at":"2026-11-20T12:20:02Z","expires_at":"2126-10-27T12:20:02Z","place":{"channel":"C1INCIDENTS","thread_ts":null},"approvers_needed":1,"auto":false,"chosen":{},"choices":[],"cooldown":"PT0S","owners":[]}');
INSERT INTO "plans" VALUES('PLAN-8ea374cd','running','shop',NULL,'C1INCIDENTS','10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658','2026-11-20 12:20:02.000000','2126-10-27 12:20:02.000000',3,0,NULL,'',NULL,'one','2026-11-20 12:20:02.000000','{"id":"PLAN-8ea374cd","title":"Roll back both: shop","service":"shop","reason":"because","body":{"steps":[{"name":"First","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"shop","uid":"uid-shop"},"parameters":{"to_revision":1,"replica_set":"shop-h1","template_sha256":"0ab49149d16c78d65ebdc03d88f6bf12e1b94aae27df7c898a06600439619cda"},"timeout_seconds":120,"fingerprint":"88b187eab9a654cbdfb64e6c2cdcfb7e4413a6e791ade21b4eb6be57586e7a9b","state_before":{},"diff":["spec.containers[shop].image: shop:2 \u2192 shop:1"]},{"name":"Second","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"cart","uid":"uid-cart"},"parameters":{"to_revision":1,"replica_set":"cart-h1","template_sha256":"1b38d6a2ca36d7718670d85d4bd5dbc660561d2415d5dcc360153e43528e44d0"},"timeout_seconds":120,"fingerprint":"f44cb339a42f066d867f719ccd46a03b21866a87b737e077eae6c1360ab76293","state_before":{},"diff":["spec.containers[cart].image: cart:2 \u2192 cart:1"]},{"name":"Third","action":"hpa_scale","target":{"cluster":"default","namespace":"trading","kind":"HorizontalPodAutoscaler","name":"shop","uid":"uid-hpa-shop"},"parameters":{"min_replicas":4,"max_replicas":6},"timeout_seconds":120,"fingerprint":"7c1face4eeeb3fe239626f6fba1f7167bab99fab9c9b19e89fb5563e14cba6af","state_before":{"minReplicas":2,"maxReplicas":4},"diff":["minReplicas: 2 \u2192 4","maxReplicas: 4 \u2192 6"]}],"undo":[{"name":"Undo: Third","action":"hpa_scale","target":{"cluster":"default","namespace":"trading","kind":"HorizontalPodAutoscaler","name":"shop","uid":"uid-hpa-shop"},"parameters":{"min_replicas":2,"max_replicas":4},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":2},"diff":["Put the limits of trading/HorizontalPodAutoscaler/shop back to 2 and 4"]},{"name":"Undo: Second","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"cart","uid":"uid-cart"},"parameters":{"to_revision":0,"replica_set":"cart-h2","template_sha256":"dda4eaddb53ed1c359bd7b09055ef0df8a3577634cc3624aba11d8d81166a535"},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":1},"diff":["Put revision 2 of trading/Deployment/cart back"]},{"name":"Undo: First","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"shop","uid":"uid-shop"},"parameters":{"to_revision":0,"replica_set":"shop-h2","template_sha256":"079dcee8b789b90f30df09aab1e8ce81e2ba43b3e5791a80d8112a5a43259e71"},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":0},"diff":["Put revision 2 of trading/Deployment/shop back"]}],"verify":[{"expression":"order_error_rate < 2%","window_seconds":600}],"playbook_id":"both","playbook_sha256":"9dc18098af696a66115b7b7b84be40c1f8b4b7bbeaed758518481f4069819cd4"},"digest":"10294bb947e579f7f3a0108d102ce9faefa06460956dbba056fd831ac59fa658","risk":{"score":0.5,"severity":0.5,"urgency":0.2,"impact":0.44,"complexity":0.8,"lines":["severity 0.35 \u00d7 0.50 = 0.175 (anomaly medium)","urgency 0.25 \u00d7 0.20 = 0.050 (0 min, trend unknown)","impact 0.25 \u00d7 0.44 = 0.110 (Deployment, HorizontalPodAutoscaler in trading, category unknown, tier 2, 0 dependants, 6 of 9 pods)","complexity 0.15 \u00d7 0.80 = 0.120 (3 steps, with a way back, hardest action 0.40)","playbook override 0.50 replaces the weighted 0.45"],"override":0.5,"floor":0.4},"tier":"semi_auto","blast_radius":["trading/Deployment/shop","trading/Deployment/cart","trading/HorizontalPodAutoscaler/shop"],"dry_run":["First: Roll trading/Deployment/shop back from revision 2 to revision 1; accepted","Second: Roll trading/Deployment/cart back from revision 2 to revision 1; accepted","Third: Let trading/HorizontalPodAutoscaler/shop keep between 4 and 6 pods; accepted"],"requested_by":null,"finding":null,"created_at":"2026-11-20T12:20:02Z","expires_at":"2126-10-27T12:20:02Z","place":{"channel":"C1INCIDENTS","thread_ts":null},"approvers_needed":1,"auto":false,"chosen":{},"choices":[],"cooldown":"PT0S","owners":[]}');
INSERT INTO "plans" VALUES('PLAN-2bb4ea73','held','lone',NULL,'C1INCIDENTS','715c6288d9dd1a3722a8d01c09f807bd657e0b493c5c170edc428ecaea2938bd','2026-11-20 12:20:02.000000','2126-10-27 12:20:02.000000',1,0,NULL,'',NULL,'',NULL,'{"id":"PLAN-2bb4ea73","title":"Scale up: lone","service":"lone","reason":"because","body":{"steps":[{"name":"Scale","action":"hpa_scale","target":{"cluster":"default","namespace":"trading","kind":"HorizontalPodAutoscaler","name":"lone","uid":"uid-hpa-lone"},"parameters":{"min_replicas":4,"max_replicas":6},"timeout_seconds":120,"fingerprint":"7c1face4eeeb3fe239626f6fba1f7167bab99fab9c9b19e89fb5563e14cba6af","state_before":{"minReplicas":2,"maxReplicas":4},"diff":["minReplicas: 2 \u2192 4","maxReplicas: 4 \u2192 6"]}],"undo":[{"name":"Undo: Scale","action":"hpa_scale","target":{"cluster":"default","namespace":"trading","kind":"HorizontalPodAutoscaler","name":"lone","uid":"uid-hpa-lone"},"parameters":{"min_replicas":2,"max_replicas":4},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":0},"diff":["Put the limits of trading/HorizontalPodAutoscaler/lone back to 2 and 4"]}],"verify":[{"expression":"cpu_usage < 0.8","window_seconds":600}],"playbook_id":"scale-up","playbook_sha256":"367666d9673a3711f735de598a6084d11e8cbe803b513f385dc55a1a7e7973c0"},"digest":"715c6288d9dd1a3722a8d01c09f807bd657e0b493c5c170edc428ecaea2938bd","risk":{"score":0.3,"severity":0.5,"urgency":0.2,"impact":0.28,"complexity":0.0,"lines":["severity 0.35 \u00d7 0.50 = 0.175 (anomaly medium)","urgency 0.25 \u00d7 0.20 = 0.050 (0 min, trend unknown)","impact 0.25 \u00d7 0.28 = 0.070 (HorizontalPodAutoscaler in trading, category unknown, tier 2, 0 dependants, 0 of 3 pods)","complexity 0.15 \u00d7 0.00 = 0.000 (1 step, with a way back, hardest action 0.00)","playbook override 0.30 replaces the weighted 0.29"],"override":0.3,"floor":0.0},"tier":"auto","blast_radius":["trading/HorizontalPodAutoscaler/lone"],"dry_run":["Scale: Let trading/HorizontalPodAutoscaler/lone keep between 4 and 6 pods; accepted"],"requested_by":null,"finding":null,"created_at":"2026-11-20T12:20:02Z","expires_at":"2126-10-27T12:20:02Z","place":{"channel":"C1INCIDENTS","thread_ts":null},"approvers_needed":1,"auto":true,"chosen":{},"choices":[],"cooldown":"PT0S","owners":[]}');
INSERT INTO "plans" VALUES('PLAN-35334ddf','approved','yes',NULL,'C1INCIDENTS','885ae579e2ea84ad90502acb7e2416cdc55f9e2e71a7442d2e3bd17140a33466','2026-11-20 12:20:02.000000','2126-10-27 12:20:02.000000',2,0,NULL,'',NULL,'',NULL,'{"id":"PLAN-35334ddf","title":"Rollback: yes","service":"yes","reason":"because","body":{"steps":[{"name":"Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"yes","uid":"uid-yes"},"parameters":{"to_revision":1,"replica_set":"yes-h1","template_sha256":"87903d1c525fff7af10be521e6d8ae057d7bf644ea1375c288d2c1262c222c10"},"timeout_seconds":120,"fingerprint":"e13d1ae7d521e292416ab35e56407835f87fffa0f3c57c285c1570e7178e92c6","state_before":{},"diff":["spec.containers[yes].image: yes:2 \u2192 yes:1"]}],"undo":[{"name":"Undo: Roll back","action":"deployment_rollback","target":{"cluster":"default","namespace":"trading","kind":"Deployment","name":"yes","uid":"uid-yes"},"parameters":{"to_revision":0,"replica_set":"yes-h2","template_sha256":"fed08f45c244759548901dfc2ae0a6538ae098c22f05b097f258dabd8fb138c5"},"timeout_seconds":120,"fingerprint":"","state_before":{"undoes":0},"diff":["Put revision 2 of trading/Deployment/yes back"]}],"verify":[{"expression":"order_error_rate < 2%","window_seconds":600}],"playbook_id":"rollback","playbook_sha256":"c2d4b0919c5fba2b379396db4125baa5e233fda580c790868d336bb1c9f1d626"},"digest":"885ae579e2ea84ad90502acb7e2416cdc55f9e2e71a7442d2e3bd17140a33466","risk":{"score":0.5,"severity":0.5,"urgency":0.2,"impact":0.49,"complexity":0.4,"lines":["severity 0.35 \u00d7 0.50 = 0.175 (anomaly medium)","urgency 0.25 \u00d7 0.20 = 0.050 (0 min, trend unknown)","impact 0.25 \u00d7 0.49 = 0.122 (Deployment in trading, category unknown, tier 2, 0 dependants, 3 of 3 pods)","complexity 0.15 \u00d7 0.40 = 0.060 (1 step, with a way back, hardest action 0.40)","playbook override 0.50 replaces the weighted 0.41"],"override":0.5,"floor":0.4},"tier":"semi_auto","blast_radius":["trading/Deployment/yes"],"dry_run":["Roll back: Roll trading/Deployment/yes back from revision 2 to revision 1; accepted"],"requested_by":null,"finding":null,"created_at":"2026-11-20T12:20:02Z","expires_at":"2126-10-27T12:20:02Z","place":{"channel":"C1INCIDENTS","thread_ts":null},"approvers_needed":1,"auto":false,"chosen":{},"choices":[],"cooldown":"PT0S","owners":[]}');
CREATE TABLE postmortems (
	id TEXT NOT NULL, 
	incident TEXT NOT NULL, 
	drafted_at DATETIME NOT NULL, 
	published_at DATETIME, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_postmortems PRIMARY KEY (id)
);
CREATE TABLE slack_inbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	dedupe_key TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	body TEXT NOT NULL, 
	received_at DATETIME NOT NULL, 
	attempts INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	lease_until DATETIME, 
	retry_at DATETIME, 
	last_error TEXT NOT NULL, 
	parked_error TEXT, 
	done_at DATETIME, 
	CONSTRAINT uq_slack_inbox_dedupe_key UNIQUE (dedupe_key)
);
INSERT INTO "slack_inbox" VALUES(1,'1.2.click','action','{"type":"block_actions","user":{"id":"UBOB"},"channel":{"id":"C1INCIDENTS"},"message":{"ts":"1795176000.000100"},"trigger_id":"1.2.click","actions":[{"action_id":"plan.approve","value":"PLAN-8055cbab","type":"button"}]}','2026-11-20 12:20:02.000000',0,'',NULL,NULL,'',NULL,NULL);
CREATE TABLE slack_outbox (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	"view" TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	thread_ts TEXT, 
	behind TEXT NOT NULL, 
	body TEXT NOT NULL, 
	ts TEXT, 
	revision INTEGER NOT NULL, 
	claimed INTEGER NOT NULL, 
	shown INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	file_id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	lease_until DATETIME, 
	retry_at DATETIME, 
	last_error TEXT NOT NULL, 
	parked BOOLEAN NOT NULL, 
	sent_at DATETIME, 
	posted_at DATETIME, 
	updated_at DATETIME, 
	CONSTRAINT uq_slack_outbox_id UNIQUE (id), 
	CONSTRAINT uq_slack_outbox_key UNIQUE ("key")
);
INSERT INTO "slack_outbox" VALUES(1,'MSG-1d3a515c29254086','plan:PLAN-8055cbab','plan','PLAN-8055cbab','C1INCIDENTS',NULL,'','{}',NULL,2,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(2,'MSG-68cc0735dc08b79d','plan:PLAN-95baf9fa','plan','PLAN-95baf9fa','C1INCIDENTS',NULL,'','{}',NULL,1,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(3,'MSG-658eb1e4755419db','plan:PLAN-96f831fd','plan','PLAN-96f831fd','C1INCIDENTS',NULL,'','{}',NULL,7,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(4,'MSG-4d586963ce283afe','plan-end:PLAN-96f831fd:6','notice','PLAN-96f831fd','C1INCIDENTS',NULL,'plan:PLAN-96f831fd','{"text":"\u2705 Rollback: done (PLAN-96f831fd) helped: order_error_rate < 2% (order_error_rate = 0).","mentions":["UANN"]}',NULL,1,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(5,'MSG-84aeb83f62bbfe98','plan:PLAN-0d4542bd','plan','PLAN-0d4542bd','C1INCIDENTS',NULL,'','{}',NULL,7,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(6,'MSG-e00ed8eb0edfd578','plan-end:PLAN-0d4542bd:6','notice','PLAN-0d4542bd','C1INCIDENTS',NULL,'plan:PLAN-0d4542bd','{"text":"\ud83d\uded1 Rollback: stop (PLAN-0d4542bd) was stopped: the kill switch is on: UADA: look first. What was done so far can be undone.","mentions":["UANN"]}',NULL,1,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(7,'MSG-d93b224f0c6e1146','plan:PLAN-ad34f458','plan','PLAN-ad34f458','C1INCIDENTS',NULL,'','{}',NULL,6,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(8,'MSG-939c824749360d09','plan:PLAN-8ea374cd','plan','PLAN-8ea374cd','C1INCIDENTS',NULL,'','{}',NULL,6,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(9,'MSG-1772a39ab6b0ee88','plan:PLAN-2bb4ea73','plan','PLAN-2bb4ea73','C1INCIDENTS',NULL,'','{}',NULL,1,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
INSERT INTO "slack_outbox" VALUES(10,'MSG-070ea6114c9a1278','plan:PLAN-35334ddf','plan','PLAN-35334ddf','C1INCIDENTS',NULL,'','{}',NULL,2,0,0,0,'','',NULL,NULL,'',0,NULL,NULL,NULL);
CREATE TABLE timeline (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	incident TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	text TEXT NOT NULL, 
	source TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	CONSTRAINT fk_timeline_incident FOREIGN KEY(incident) REFERENCES incidents (id)
);
CREATE TABLE usage (
	run_id TEXT NOT NULL, 
	user TEXT, 
	at DATETIME NOT NULL, 
	mode TEXT NOT NULL, 
	steps INTEGER NOT NULL, 
	input_tokens INTEGER NOT NULL, 
	output_tokens INTEGER NOT NULL, 
	cached_tokens INTEGER NOT NULL, 
	usd_micros INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	CONSTRAINT pk_usage PRIMARY KEY (run_id)
);
CREATE INDEX ix_slack_inbox_open ON slack_inbox (id) WHERE done_at IS NULL AND parked_error IS NULL;
CREATE INDEX ix_slack_outbox_dirty ON slack_outbox (seq) WHERE shown < revision;
CREATE INDEX ix_slack_outbox_subject ON slack_outbox ("view", ref);
CREATE INDEX ix_slack_outbox_unposted ON slack_outbox (channel, seq) WHERE ts IS NULL;
CREATE UNIQUE INDEX ux_slack_outbox_message ON slack_outbox (channel, ts);
CREATE INDEX ix_agent_runs_started_at ON agent_runs (started_at);
CREATE UNIQUE INDEX ux_agent_runs_running ON agent_runs (place) WHERE status = 'running';
CREATE INDEX ix_messages_place ON messages (place, id);
CREATE INDEX ix_messages_run_id ON messages (run_id);
CREATE INDEX ix_evidence_run_id ON evidence (run_id);
CREATE INDEX ix_usage_at ON usage (at);
CREATE INDEX ix_usage_user ON usage (user);
CREATE INDEX ix_charts_at ON charts (at);
CREATE INDEX ix_anomalies_service ON anomalies (service);
CREATE INDEX ix_anomalies_started_at ON anomalies (started_at);
CREATE UNIQUE INDEX ux_anomalies_active ON anomalies (fingerprint) WHERE active;
CREATE INDEX ix_alerts_service ON alerts (service);
CREATE INDEX ix_alerts_status ON alerts (status);
CREATE INDEX ix_mutes_until ON mutes (until);
CREATE INDEX ix_changes_at ON changes (at);
CREATE INDEX ix_changes_service ON changes (service);
CREATE INDEX ix_findings_channel ON findings (channel);
CREATE INDEX ix_findings_opened_at ON findings (opened_at);
CREATE INDEX ix_findings_service ON findings (service);
CREATE INDEX ix_incidents_channel ON incidents (channel);
CREATE INDEX ix_incidents_declared_at ON incidents (declared_at);
CREATE INDEX ix_incidents_place ON incidents (place);
CREATE INDEX ix_incidents_service ON incidents (service);
CREATE INDEX ix_timeline_incident ON timeline (incident, at, id);
CREATE INDEX ix_postmortems_incident ON postmortems (incident);
CREATE INDEX ix_documents_kind ON documents (kind);
CREATE INDEX ix_plans_created_at ON plans (created_at);
CREATE INDEX ix_plans_finding ON plans (finding);
CREATE INDEX ix_plans_service ON plans (service);
CREATE INDEX ix_plans_status ON plans (status);
CREATE INDEX ix_approvals_state ON approvals (state);
CREATE INDEX ix_plan_steps_target ON plan_steps (target);
CREATE INDEX ix_api_tokens_user ON api_tokens (user);
CREATE INDEX ix_audit_at ON audit (at);
CREATE INDEX ix_audit_kind ON audit (kind);
CREATE INDEX ix_audit_subject ON audit (subject);
CREATE INDEX ix_audit_unsealed ON audit (seq) WHERE seal_no IS NULL;
CREATE INDEX ix_config_versions_map ON config_versions (cluster, namespace, name, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('slack_outbox',10);
INSERT INTO "sqlite_sequence" VALUES('audit',42);
INSERT INTO "sqlite_sequence" VALUES('slack_inbox',1);
COMMIT;
