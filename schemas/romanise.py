"""English names of divisions: usual names by hand, all others in pinyin with the suffix in English.

Place names are written as in the Chinese Phonetic Alphabet spelling rules for place names
(汉语拼音正词法 GB/T 16159): syllables joined, an apostrophe before an inner a, e or o.
"""

from __future__ import annotations

from pypinyin import Style, load_phrases_dict, load_single_dict, pinyin

SUFFIXES = {
    "特别行政区": "Special Administrative Region",
    "自治区": "Autonomous Region",
    "自治州": "Autonomous Prefecture",
    "自治县": "Autonomous County",
    "自治旗": "Autonomous Banner",
    "左翼前旗": "Left Wing Front Banner",
    "左翼中旗": "Left Wing Middle Banner",
    "左翼后旗": "Left Wing Rear Banner",
    "右翼前旗": "Right Wing Front Banner",
    "右翼中旗": "Right Wing Middle Banner",
    "右翼后旗": "Right Wing Rear Banner",
    "中后联合旗": "Middle and Rear United Banner",
    "联合旗": "United Banner",
    "左旗": "Left Banner",
    "右旗": "Right Banner",
    "前旗": "Front Banner",
    "中旗": "Middle Banner",
    "后旗": "Rear Banner",
    "行政区": "Administrative Area",
    "工农区": "Workers and Farmers District",
    "特区": "Special District",
    "新区": "New Area",
    "矿区": "Mining District",
    "地区": "Prefecture",
    "省": "Province",
    "市": "City",
    "盟": "League",
    "县": "County",
    "旗": "Banner",
    "区": "District",
    "镇": "Town",
}

PEOPLES = {
    "东乡族": "Dongxiang",
    "乌孜别克": "Uzbek",
    "仡佬族": "Gelao",
    "仫佬族": "Mulao",
    "佤族": "Va",
    "侗族": "Dong",
    "保安族": "Bonan",
    "傈僳族": "Lisu",
    "傣族": "Dai",
    "僳僳族": "Lisu",
    "各族": "Multi-Ethnic",
    "哈尼族": "Hani",
    "哈萨克族": "Kazakh",
    "哈萨克": "Kazakh",
    "回族": "Hui",
    "土家族": "Tujia",
    "土族": "Tu",
    "塔吉克": "Tajik",
    "壮族": "Zhuang",
    "布依族": "Buyei",
    "布朗族": "Blang",
    "彝族": "Yi",
    "怒族": "Nu",
    "拉祜族": "Lahu",
    "撒拉族": "Salar",
    "景颇族": "Jingpo",
    "普米族": "Pumi",
    "朝鲜族": "Korean",
    "柯尔克孜": "Kirgiz",
    "毛南族": "Maonan",
    "水族": "Sui",
    "满族": "Manchu",
    "独龙族": "Derung",
    "瑶族": "Yao",
    "畲族": "She",
    "白族": "Bai",
    "纳西族": "Naxi",
    "维吾尔": "Uygur",
    "羌族": "Qiang",
    "苗族": "Miao",
    "蒙古族": "Mongol",
    "蒙古": "Mongol",
    "藏族": "Tibetan",
    "裕固族": "Yugur",
    "达斡尔族": "Daur",
    "鄂伦春": "Oroqen",
    "鄂温克族": "Ewenki",
    "锡伯": "Xibe",
    "黎族": "Li",
}
AUTONOMOUS = ("自治区", "自治州", "自治县", "自治旗")

# Provinces and the places whose usual English name is not their pinyin.
USUAL = {
    "北京市": "Beijing",
    "天津市": "Tianjin",
    "上海市": "Shanghai",
    "重庆市": "Chongqing",
    "山西省": "Shanxi",
    "陕西省": "Shaanxi",
    "河北省": "Hebei",
    "辽宁省": "Liaoning",
    "吉林省": "Jilin",
    "黑龙江省": "Heilongjiang",
    "江苏省": "Jiangsu",
    "浙江省": "Zhejiang",
    "安徽省": "Anhui",
    "福建省": "Fujian",
    "江西省": "Jiangxi",
    "山东省": "Shandong",
    "河南省": "Henan",
    "湖北省": "Hubei",
    "湖南省": "Hunan",
    "广东省": "Guangdong",
    "海南省": "Hainan",
    "四川省": "Sichuan",
    "贵州省": "Guizhou",
    "云南省": "Yunnan",
    "甘肃省": "Gansu",
    "青海省": "Qinghai",
    "台湾省": "Taiwan",
    "内蒙古自治区": "Inner Mongolia",
    "广西壮族自治区": "Guangxi",
    "西藏自治区": "Tibet (Xizang)",
    "宁夏回族自治区": "Ningxia",
    "新疆维吾尔自治区": "Xinjiang",
    "香港特别行政区": "Hong Kong",
    "澳门特别行政区": "Macao",
    "神农架林区": "Shennongjia Forestry District",
}
USUAL_STEMS = {
    "呼和浩特": "Hohhot",
    "乌鲁木齐": "Urumqi",
    "鄂尔多斯": "Ordos",
    "呼伦贝尔": "Hulun Buir",
    "锡林郭勒": "Xilin Gol",
    "乌兰察布": "Ulanqab",
    "巴彦淖尔": "Bayannur",
    "阿拉善": "Alxa",
    "哈尔滨": "Harbin",
    "齐齐哈尔": "Qiqihar",
    "拉萨": "Lhasa",
    "日喀则": "Xigaze",
    "那曲": "Nagqu",
    "山南": "Shannan",
    "林芝": "Nyingchi",
    "昌都": "Qamdo",
    "阿里": "Ngari",
    "吐鲁番": "Turpan",
    "哈密": "Hami",
    "喀什": "Kashgar",
    "和田": "Hotan",
    "阿克苏": "Aksu",
    "克拉玛依": "Karamay",
    "伊犁": "Ili",
    "昌吉": "Changji",
    "博尔塔拉": "Bortala",
    "巴音郭楞": "Bayingolin",
    "克孜勒苏": "Kizilsu",
    "阿勒泰": "Altay",
    "塔城": "Tacheng",
    "库尔勒": "Korla",
    "石河子": "Shihezi",
}

# Readings usual in place names where the dictionary of common words has another first.
SINGLE_READINGS = {"长": "cháng", "都": "dū", "朝": "cháo", "乐": "lè", "什": "shí", "宿": "sù"}
READINGS = {
    "长子": "zhang zi",
    "乐清": "yue qing",
    "乐亭": "lao ting",
    "乐陵": "lao ling",
    "南乐": "nan le",
    "民乐": "min le",
    "朝阳": "chao yang",
    "曾都": "zeng du",
    "闵行": "min hang",
    "漯河": "luo he",
    "大城": "dai cheng",
    "珲春": "hun chun",
    "筠连": "jun lian",
    "铅山": "yan shan",
    "洪洞": "hong tong",
    "六合": "lu he",
    "六安": "lu an",
    "单县": "shan xian",
    "荥经": "ying jing",
    "涡阳": "guo yang",
    "浚县": "xun xian",
    "繁峙": "fan shi",
    "佛冈": "fo gang",
    "覃塘": "qin tang",
    "宕昌": "tan chang",
    "吴堡": "wu bu",
    "牟定": "mou ding",
    "番禺": "pan yu",
}


def english_name(name: str) -> str:
    """Return the English name of a division from its Chinese one, with its kind in English."""
    if name in USUAL:
        return USUAL[name]
    # 沙县, 城区: with a single character before it the suffix is part of the name.
    kinds = (kind for kind in SUFFIXES if name.endswith(kind) and len(name) >= len(kind) + 2)
    suffix = next(kinds, "")
    english = SUFFIXES.get(suffix or name[-1], "")
    stem = name.removesuffix(suffix)
    peoples: list[str] = []
    if suffix in AUTONOMOUS:
        stem, peoples = _split_peoples(stem)
    return " ".join(filter(None, [_romanised(stem), _listed(peoples), english]))


def _split_peoples(stem: str) -> tuple[str, list[str]]:
    peoples: list[str] = []
    while True:
        found = max((p for p in PEOPLES if stem.endswith(p)), key=len, default="")
        if not found:
            return stem, peoples
        peoples.insert(0, PEOPLES[found])
        stem = stem.removesuffix(found)


def _listed(peoples: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(peoples[:-1]), *peoples[-1:]]))


def _romanised(stem: str) -> str:
    if stem in USUAL_STEMS:
        return USUAL_STEMS[stem]
    syllables = [item[0] for item in pinyin(stem, style=Style.NORMAL, v_to_u=True)]
    joined = syllables[0] if syllables else ""
    for syllable in syllables[1:]:
        joined += "'" + syllable if syllable[0] in "aeo" else syllable
    return joined.capitalize()


def _teach_readings() -> None:
    load_single_dict({ord(character): said for character, said in SINGLE_READINGS.items()})
    load_phrases_dict({words: [[s] for s in said.split()] for words, said in READINGS.items()})


_teach_readings()
