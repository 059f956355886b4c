"""The official lists of data sets, in small, in the exact forms in which they are published."""

from __future__ import annotations

import json
from pathlib import Path

KINETICS = {
    "train.csv": (
        "label,youtube_id,time_start,time_end,split,is_cc\n"
        "testifying,---QUuC4vJs,84,94,train,0\n"
        '"shaking hands",-0-abcdefgh,2,12,train,1\n'
    ),
    "val.csv": (
        "label,youtube_id,time_start,time_end,split,is_cc\n"
        "washing feet,--GkrdYZ9Tc,0,10,val,0\nwashing feet,-gone-12345,7,17,val,0\n"
    ),
    "test.csv": "youtube_id,time_start,time_end,split\n--nQbRBEz2s,104,114,test\n",
}
KINETICS_FILES = (
    "train/testifying/---QUuC4vJs_000084_000094.mp4",
    "-0-abcdefgh.webm",
    "val/washing_feet/--GkrdYZ9Tc_000000_000010.mp4",
    "--nQbRBEz2s_000104_000114.mkv",
)
HMDB51 = {
    "brush_hair_test_split1.txt": (
        "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \n"
        "April_09_brush_hair_u_nm_np1_ba_goo_1.avi 1 \n"
        "Blonde_brush_hair_f_cm_np1_ri_med_0.avi 2 \n"
        "haarek_mmen_brush_hair_h_cm_np1_fr_goo_0.avi 0 \n"
    ),
    "brush_hair_test_split2.txt": "Blonde_brush_hair_f_cm_np1_ri_med_0.avi 1 \n",
    "wave_test_split1.txt": "April_09_wave_u_nm_np1_fr_med_0.avi 2 \n",
}
HMDB51_FILES = (
    "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
    "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_1.avi",
    "brush_hair/Blonde_brush_hair_f_cm_np1_ri_med_0.avi",
    "brush_hair/haarek_mmen_brush_hair_h_cm_np1_fr_goo_0.avi",
    "wave/April_09_wave_u_nm_np1_fr_med_0.mp4",
)
CHARADES_HEADER = (
    "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
)
CHARADES = {
    "Charades_v1_train.csv": CHARADES_HEADER
    + 'YSKX3,CP6Y,Bedroom,5,6,Yes,"A person, a bed.",bed;pillow,"One;two, three",'
    "c001 12.10 18.00;c000 11.80 17.30;c002 12.10 18.00;c002 18.00 10.00,16.62\n"
    "AAAAA,CP6Y,Stairs,7,7,No,Nothing.,,Nothing.,,30.00\n",
    "Charades_v1_test.csv": CHARADES_HEADER
    + "015XE,GFWE,Kitchen,6,5,Yes,A.,camera,B.,c000 0.00 32.10,32.83\n",
    "Charades_v1_classes.txt": (
        "c000 Holding some clothes\nc001 Putting clothes somewhere\nc002 Taking some clothes\n"
    ),
    "Charades_v1_objectclasses.txt": "o000 None\n",
}
CHARADES_FILES = ("YSKX3.mp4", "AAAAA.mp4", "015XE.mp4")
TAXONOMY = [
    {"parentName": "Household Activities", "nodeName": "Housework", "nodeId": 14, "parentId": 10},
    {"parentName": "Housework", "nodeName": "Interior cleaning", "nodeId": 15, "parentId": 14},
    {"parentName": "Interior cleaning", "nodeName": "Mopping floor", "nodeId": 16, "parentId": 15},
    {"parentName": "Root", "nodeName": "Household Activities", "nodeId": 10, "parentId": 269},
    {"parentName": None, "nodeName": "Root", "nodeId": 269, "parentId": None},
    {"parentName": "Root", "nodeName": "Sports", "nodeId": 20, "parentId": 269},
    {"parentName": "Sports", "nodeName": "Surfing", "nodeId": 21, "parentId": 20},
    # The class is the deeper node of the name.
    {"parentName": "Root", "nodeName": "Mopping floor", "nodeId": 22, "parentId": 269},
]
DATABASE = {
    "sJFgo9H6zNo": {
        "duration": 136.53, "subset": "training", "resolution": "320x240",
        "url": "https://www.youtube.com/watch?v=sJFgo9H6zNo",
        "annotations": [
            {"segment": [0, 132.111], "label": "Mopping floor"},
            {"segment": [20.5, 30], "label": "Surfing"},
            {"segment": [5, 5.0], "label": "Surfing"},
        ],
    },
    "V1zhqaGFY2A": {
        "duration": 71.5, "subset": "validation", "resolution": "640x360",
        "url": "https://www.youtube.com/watch?v=V1zhqaGFY2A",
        "annotations": [{"segment": [1.5, 9.25], "label": "Surfing"}],
    },
    "bXdq2zI1Ms0": {
        "duration": 73.1, "subset": "testing", "resolution": "320x240",
        "url": "https://www.youtube.com/watch?v=bXdq2zI1Ms0", "annotations": [],
    },
}  # fmt: skip
ACTIVITYNET = {
    "activity_net.v1-3.min.json": json.dumps(
        {"taxonomy": TAXONOMY, "version": "VERSION 1.3", "database": DATABASE}
    )
}
ACTIVITYNET_FILES = ("v_sJFgo9H6zNo.mp4", "val/V1zhqaGFY2A.mkv", "v_bXdq2zI1Ms0.mp4")
SOMETHING = {
    "something-something-v2-train.json": json.dumps([
        {"id": "78687", "label": "holding potato next to vicks vaporub bottle",
         "template": "Holding [something] next to [something]",
         "placeholders": ["potato", "vicks vaporub bottle"]},
        {"id": "42326", "label": "pretending to put a pen on a book, but missing",
         "template": "Pretending to put [something] on [something], but missing",
         "placeholders": ["a pen", "a book"]},
    ]),
    "something-something-v2-validation.json": json.dumps([
        {"id": "74225", "label": "holding a cup next to a plate",
         "template": "Holding [something] next to [something]",
         "placeholders": ["a cup", "a plate"]},
    ]),
    "something-something-v2-test.json": json.dumps([{"id": "1420"}]),
    "something-something-v2-labels.json": json.dumps(
        {"Holding something next to something": "0",
         "Pretending to put something on something, but missing": "1"}
    ),
}  # fmt: skip
SOMETHING_FILES = ("78687.webm", "42326.webm", "74225.webm", "1420.webm")
SPORTS = {
    "original/train_partition.txt": (
        "https://www.youtube.com/watch?v=UDqivjS-lpI 1,2\n"
        "https://www.youtube.com/watch?v=ABPsSSS2uY0 0\n"
    ),
    "original/test_partition.txt": "https://www.youtube.com/watch?v=-0-1abcdefg 2\n",
    "labels.txt": "boomerang\nboxing\nbowling\n",
}
SPORTS_FILES = ("UDqivjS-lpI.mp4", "a/ABPsSSS2uY0.flv", "-0-1abcdefg.mp4")
UCF101 = {
    "classInd.txt": "1 Archery\n",
    "trainlist01.txt": "Archery/v_Archery_g08_c01.avi 1\n",
    "testlist01.txt": "Archery/v_Archery_g01_c01.avi\n",
}
UCF101_FILES = ("Archery/v_Archery_g08_c01.avi", "Archery/v_Archery_g01_c01.avi")
EVERY = {
    "kinetics": (KINETICS, KINETICS_FILES),
    "hmdb51": (HMDB51, HMDB51_FILES),
    "charades": (CHARADES, CHARADES_FILES),
    "activitynet": (ACTIVITYNET, ACTIVITYNET_FILES),
    "something_something": (SOMETHING, SOMETHING_FILES),
    "sports1m": (SPORTS, SPORTS_FILES),
    "ucf101": (UCF101, UCF101_FILES),
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
